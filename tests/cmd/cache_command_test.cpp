// `propeller-proxy cache`: asked of the running program.
#include <gmock/gmock.h>

#include "base/digest.hpp"
#include "cache_site.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::cmd {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CacheCommand : public CacheSite {};

TEST_F(CacheCommand, LsShowsATableAndJsonWithAllThereIs) {
  start_with_cache();
  const auto digest = kept("some layer");
  const auto table = cache({"ls"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("KEY\n"));
  EXPECT_THAT(table.out, HasSubstr("      10 B  digest  -    "));
  EXPECT_THAT(table.out, HasSubstr("  " + url_of(digest) + "\n"));
  EXPECT_THAT(cache({"ls", "--digests"}).out, HasSubstr(digest + "  " + url_of(digest)));
  const auto lines = cache({"ls", "--json"}).out;
  EXPECT_EQ(json::parse(lines)["digest"], digest);
  EXPECT_THAT(cache({"ls", "--json", "--repository", "acme/other"}).out, IsEmpty());
  EXPECT_THAT(cache({"ls", "--kind", "x"}).err, HasSubstr("kind is digest, http or tag"));
}

TEST_F(CacheCommand, RmRemovesByDigestKeyPrefixAndRepository) {
  start_with_cache();
  const auto one = kept("one");
  const auto two = kept("two");
  const auto three = kept("three", "acme/other");
  const auto four = kept("four");
  EXPECT_EQ(cache({"rm", one}).out, "3 B removed\n");
  EXPECT_FALSE(is_kept(url_of(one)));
  const auto again = cache({"rm", one});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr(one + " is not in the cache"));
  EXPECT_EQ(cache({"rm", url_of(two)}).out, "1 entry, 3 B removed\n");
  EXPECT_EQ(cache({"rm", "--repository", "acme/other"}).exit_code, 0);
  EXPECT_FALSE(is_kept(url_of(three, "acme/other")));
  EXPECT_TRUE(is_kept(url_of(four)));
  EXPECT_EQ(cache({"rm", "--prefix", plain_.url()}).out, "1 entry, 4 B removed\n");
  EXPECT_EQ(cache({"rm", "--prefix", plain_.url()}).exit_code, 1) << "nothing was there";
}

TEST_F(CacheCommand, PinnedIsShown) {
  start_with_cache();
  const auto digest = kept("some layer");
  EXPECT_EQ(cache({"pin", digest}).exit_code, 0);
  EXPECT_THAT(cache({"ls"}).out, HasSubstr("  pin  "));
  EXPECT_EQ(cache({"unpin", digest}).exit_code, 0);
  EXPECT_THAT(cache({"ls"}).out, Not(HasSubstr("  pin  ")));
  EXPECT_EQ(cache({"pin", base::sha256("nobody").to_string()}).exit_code, 1);
}

TEST_F(CacheCommand, VerifyNamesWhatIsDamagedAndFailsThen) {
  start_with_cache();
  static_cast<void>(kept("good layer"));
  const auto bad = kept("bad layer");
  support::write_file(blob_file(bad), "bAd layer");
  const auto found = cache({"verify"});
  EXPECT_EQ(found.exit_code, 1);
  EXPECT_EQ(found.out, "damaged, dropped: " + bad + "\n2 blobs, 19 B read, 1 damaged\n");
  const auto again = cache({"verify"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.out, "1 blobs, 10 B read, 0 damaged\n");
}

TEST_F(CacheCommand, GcSaysWhatItDid) {
  start_with_cache();
  support::write_file(blob_file(base::sha256("wrong").to_string()), "something else");
  const auto done = cache({"gc", "--unnamed"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("14 B freed: 0 blobs evicted, 1 stray files removed"));
}

TEST_F(CacheCommand, WithoutAProxyItSaysWhatToDo) {
  const auto outcome = cache({"ls"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the proxy does not answer on 127.0.0.1:" + std::to_string(api_port_)));
  EXPECT_THAT(outcome.err, HasSubstr("start it with `propeller-proxy run`"));
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST_F(CacheCommand, ItUsesTheTokenWhereTheApiWantsOne) {
  write_config(usual("api: {auth: token}\ncache: {enabled: true, min_free: 0, dir: " + directory_.string() + "}\n"));
  start();
  EXPECT_EQ(cache({"ls"}).exit_code, 0);
  const auto token = files_ / "certs/api.token";
  std::filesystem::rename(token, files_ / "elsewhere");
  const auto refused = cache({"ls"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("the user who may read " + token.string()));
}

TEST_F(CacheCommand, SomethingElseOnThatPortIsNotTakenForTheApi) {
  const auto said = [&](const std::string& type, const std::string& body, const std::vector<std::string>& words) {
    forward::ScriptedOrigin other(
        [&](const support::SeenRequest&) { return forward::scripted(200, "Content-Type: " + type + "\r\n", body); });
    auto all = words;
    all.push_back("--api-port");
    all.push_back(other.url("").substr(other.url("").rfind(':') + 1));
    const auto outcome = cache(all);
    EXPECT_EQ(outcome.exit_code, 1);
    return outcome.err;
  };
  EXPECT_THAT(said("text/html", "<html>", {"ls"}), HasSubstr("is not the API"));
  EXPECT_THAT(said("application/json", "[]", {"ls"}), HasSubstr("has no entries"));
  EXPECT_THAT(said("text/event-stream", std::string(2 * 1024 * 1024, 'x'), {"verify"}), HasSubstr("too much at once"));
  EXPECT_THAT(said("text/event-stream", "event: progress\ndata: {}\n\n", {"verify"}),
              HasSubstr("ended before it was done"));
}

TEST_F(CacheCommand, WhatMakesNoSenseIsAUsageError) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {}, {"list"}, {"rm"}, {"rm", "a", "b"}, {"rm", "a", "--prefix", "b"}, {"pin"}, {"pin", "x"}, {"ls", "x"}}) {
    const auto outcome = cache(words);
    EXPECT_EQ(outcome.exit_code, 2) << testing::PrintToString(words);
    EXPECT_THAT(outcome.err, HasSubstr("Try: propeller-proxy cache --help"));
  }
}

}  // namespace
}  // namespace propeller::cmd
