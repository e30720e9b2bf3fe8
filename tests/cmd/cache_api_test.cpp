// What the API of the real program shows and changes of its cache.
#include <gmock/gmock.h>

#include <future>

#include "base/digest.hpp"
#include "cache_site.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::cmd {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class CacheApi : public CacheSite {};

TEST_F(CacheApi, AnEntryIsShownWithWhatIsKnownOfIt) {
  start_with_cache();
  const auto digest = kept("some layer");
  const auto listed = entries();
  ASSERT_THAT(listed, SizeIs(1));
  const auto& entry = listed.front();
  EXPECT_EQ(entry["key"], url_of(digest));
  EXPECT_EQ(entry["kind"], "digest");
  EXPECT_EQ(entry["digest"], digest);
  EXPECT_EQ(entry["host"], plain_.host());
  EXPECT_EQ(entry["repository"], "acme/m");
  EXPECT_EQ(entry["size"], 10);
  EXPECT_EQ(entry["status"], 200);
  EXPECT_EQ(entry["pinned"], false);
  for (const auto* time : {"stored_at", "last_used"})
    EXPECT_THAT(entry[time].get<std::string>(), testing::MatchesRegex("20..-..-..T..:..:..Z")) << time;
  EXPECT_FALSE(entry.contains("freshness")) << "content does not grow old";
}

TEST_F(CacheApi, WhatWasKeptByTheRulesOfHttpSaysHowFreshItIs) {
  forward::ScriptedOrigin origin([](const support::SeenRequest&) {
    return forward::scripted(200, "Cache-Control: max-age=60\r\nAge: 20\r\n", "page");
  });
  start_with_cache();
  keep(origin.url("/page"));
  const auto listed = entries("?kind=http");
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0]["freshness"]["state"], "fresh");
  EXPECT_GE(listed[0]["freshness"]["age_seconds"], 20);
  EXPECT_LE(listed[0]["freshness"]["fresh_for_seconds"], 40);
  write_cache_config("max_size: 10MiB, ttl: 5s");
  const auto state = [&] { return entries("?kind=http").at(0)["freshness"]["state"]; };
  EXPECT_TRUE(support::wait_until([&] { return state() == "stale"; })) << "by what cache.ttl says now";
}

TEST_F(CacheApi, FiltersChooseAndPagesGoOnWhereTheLastOneEnded) {
  forward::ScriptedOrigin origin(
      [](const support::SeenRequest&) { return forward::scripted(200, "Cache-Control: max-age=60\r\n", "page"); });
  start_with_cache();
  const auto one = kept("one");
  static_cast<void>(kept("two", "acme/other"));
  keep(origin.url("/page"));
  EXPECT_THAT(entries(), SizeIs(3));
  EXPECT_THAT(entries("?repository=acme/other"), SizeIs(1));
  EXPECT_THAT(entries("?repository=127.0.0.1/acme/other"), SizeIs(1));
  EXPECT_THAT(entries("?repository=ghcr.io/acme/other"), SizeIs(0));
  EXPECT_THAT(entries("?host=127.0.0.1"), SizeIs(3));
  EXPECT_THAT(entries("?host=" + plain_.host()), SizeIs(2));
  EXPECT_THAT(entries("?digest=" + one), SizeIs(1));
  EXPECT_THAT(entries("?kind=digest"), SizeIs(2));
  EXPECT_THAT(entries("?prefix=" + origin.url("/pa")), SizeIs(1));

  std::vector<std::string> keys;
  std::string cursor;
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = ask("/api/cache/entries?limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_LE(page["entries"].size(), 1U);
    for (const auto& entry : page["entries"]) keys.push_back(entry["key"]);
    if (page["cursor"].is_null()) break;
    cursor = page["cursor"];
  }
  EXPECT_THAT(keys, SizeIs(3));
  EXPECT_TRUE(std::ranges::is_sorted(keys));
}

TEST_F(CacheApi, AWrongQuestionIsToldWhatIsWrong) {
  start_with_cache();
  for (const auto* query : {"?limit=0", "?limit=1001", "?kind=x", "?digest=x", "?nothing=x", "?host=%zz"}) {
    const auto got = api(std::string("/api/cache/entries") + query);
    EXPECT_TRUE(got.has("400 Bad Request")) << got.output;
    EXPECT_TRUE(got.has("{\"error\":\""));
  }
  EXPECT_TRUE(api("/api/cache/entries?cursor=0123").has("410 Gone"));
  for (const auto* body : {"", "{}", "[]", "{\"key\":1}", "{\"keys\":\"x\"}", "{\"key\":\"\"}", "{\"key\":{\"a\":1}}"})
    EXPECT_TRUE(api("/api/cache/purge", {"-d", body}).has("400 Bad Request")) << body;
}

// A signed URL gives who has it what it names.
TEST_F(CacheApi, SecretsInAKeyAreNotShownAndTheKeyAsShownIsPurged) {
  forward::ScriptedOrigin origin(
      [](const support::SeenRequest&) { return forward::scripted(200, "Cache-Control: max-age=60\r\n", "page"); });
  start_with_cache();
  keep(origin.url("/page?token=hunter2&a=1"));
  keep(origin.url("/page?a=2"));
  const auto listed = entries("?prefix=" + origin.url("/page") + "%3Ft");
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0]["key"], origin.url("/page?token=[REDACTED]&a=1"));
  EXPECT_EQ(purge(json{{"key", listed[0]["key"]}}.dump())["entries"], 1);
  EXPECT_THAT(entries(), SizeIs(1));
  EXPECT_THAT(log(), Not(HasSubstr("hunter2")));
}

TEST_F(CacheApi, DeletingADigestTakesEveryEntryThatNamesIt) {
  start_with_cache();
  const auto digest = kept("some layer");
  push("some layer", "acme/copy");
  keep(url_of(digest, "acme/copy"));
  EXPECT_THAT(entries("?digest=" + digest), SizeIs(2));
  EXPECT_EQ(ask("/api/cache/" + digest, {"-X", "DELETE"})["bytes"], 10);
  EXPECT_THAT(entries(), SizeIs(0));
  EXPECT_FALSE(is_kept(url_of(digest)));
  EXPECT_FALSE(is_kept(url_of(digest, "acme/copy")));
  EXPECT_FALSE(std::filesystem::exists(blob_file(digest)));
  const auto again = api("/api/cache/" + digest, {"-X", "DELETE"});
  EXPECT_TRUE(again.has("404 Not Found"));
  EXPECT_TRUE(again.has(digest + " is not in the cache")) << again.output;
  EXPECT_TRUE(api("/api/cache/sha256:abc", {"-X", "DELETE"}).has("400 Bad Request"));
}

TEST_F(CacheApi, APurgeByKeyPrefixOrRepositoryTakesWhatFitsAndSaysHowMuch) {
  start_with_cache();
  const auto one = kept("one");
  const auto two = kept("two", "acme/other");
  const auto three = kept("three", "acme/other");
  const auto four = kept("four", "acme/last");
  EXPECT_EQ(purge(json{{"key", url_of(one)}}.dump()), (json{{"entries", 1}, {"blobs", 1}, {"bytes", 3}}));
  EXPECT_FALSE(is_kept(url_of(one)));
  EXPECT_EQ(purge(R"({"repository":"acme/other"})")["entries"], 2);
  EXPECT_FALSE(is_kept(url_of(two, "acme/other")));
  EXPECT_FALSE(is_kept(url_of(three, "acme/other")));
  EXPECT_TRUE(is_kept(url_of(four, "acme/last")));
  EXPECT_EQ(purge(json{{"prefix", plain_.url() + "/v2/acme/l"}}.dump())["entries"], 1);
  EXPECT_EQ(purge(json{{"prefix", plain_.url()}}.dump())["entries"], 0);
  EXPECT_THAT(entries(), SizeIs(0));
}

TEST_F(CacheApi, APurgeOfAUrlTakesItsVariants) {
  forward::ScriptedOrigin origin([](const support::SeenRequest& request) {
    return forward::scripted(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
                             std::string(request.field("accept-language")));
  });
  start_with_cache();
  const auto url = origin.url("/page");
  for (const auto* language : {"de", "fr"})
    EXPECT_TRUE(curl({"-H", std::string("Accept-Language: ") + language, url}).has("200 OK"));
  EXPECT_TRUE(support::wait_until([&] { return entries().size() == 2; }));
  EXPECT_EQ(purge(json{{"key", url}}.dump())["blobs"], 2);
  EXPECT_THAT(entries(), SizeIs(0));
}

TEST_F(CacheApi, APinnedBlobOutlivesOthersARestartAndAClearing) {
  start_with_cache("max_size: 100000, policy: lru");
  const auto pinned = kept(std::string(40'000, 'p'));
  EXPECT_EQ(ask("/api/cache/pins/" + pinned, {"-X", "PUT"})["status"], "ok");
  EXPECT_EQ(entries("?digest=" + pinned).front()["pinned"], true);
  const auto other = kept(std::string(40'000, 'a'));
  const auto refused = api("/api/cache/pins/" + other, {"-X", "PUT"});
  EXPECT_TRUE(refused.has("409 Conflict"));
  EXPECT_TRUE(refused.has("at most half of the store (50000 bytes)")) << refused.output;
  for (const char letter : {'b', 'c', 'd'}) static_cast<void>(kept(std::string(40'000, letter)));
  EXPECT_TRUE(is_kept(url_of(pinned)));
  EXPECT_FALSE(is_kept(url_of(other)));
  stop();
  start();
  EXPECT_TRUE(api("/api/cache", {"-X", "DELETE"}).has("\"ok\""));
  EXPECT_EQ(ask("/api/cache/pins")["pins"][0]["digest"], pinned);
  EXPECT_TRUE(std::filesystem::exists(blob_file(pinned)));
  EXPECT_TRUE(is_kept(url_of(pinned))) << "and clients reach it";
  EXPECT_EQ(purge(json{{"key", url_of(pinned)}}.dump())["entries"], 0);
  EXPECT_TRUE(is_kept(url_of(pinned)));
  EXPECT_EQ(ask("/api/cache/pins/" + pinned, {"-X", "DELETE"})["status"], "ok");
  EXPECT_THAT(ask("/api/cache/pins")["pins"], SizeIs(0));
  const auto nobody = "/api/cache/pins/" + base::sha256("nobody").to_string();
  EXPECT_TRUE(api(nobody, {"-X", "PUT"}).has("404 Not Found"));
}

TEST_F(CacheApi, ABlobThatNoEntryNamesIsListedByItsDigest) {
  start_with_cache();
  const auto digest = kept("some layer");
  stop();
  for (const char* file : {"index.db", "index.db-wal", "index.db-shm"})
    std::filesystem::remove(blob_file(digest).parent_path().parent_path().parent_path() / file);
  start();
  json found;
  for (std::string cursor = "?"; !cursor.empty();) {
    const auto page = ask("/api/cache/entries" + cursor);
    for (const auto& entry : page["entries"]) found = entry;
    cursor = page["cursor"].is_null() ? "" : "?cursor=" + page["cursor"].get<std::string>();
  }
  EXPECT_EQ(found["digest"], digest);
  EXPECT_TRUE(found["key"].is_null());
}

TEST_F(CacheApi, AVerificationTellsItsProgressAndDropsWhatIsDamaged) {
  start_with_cache();
  const auto good = kept("good layer");
  const auto bad = kept("bad layer");
  support::write_file(blob_file(bad), "bAd layer");
  const auto got = api("/api/cache/verify", {"-X", "POST"});
  EXPECT_TRUE(got.has("Content-Type: text/event-stream")) << got.output;
  EXPECT_TRUE(got.has("event: done\ndata: {")) << got.output;
  EXPECT_TRUE(got.has("\"damaged\":1,\"dropped\":[\"" + bad + "\"]")) << got.output;
  EXPECT_THAT(entries(), SizeIs(1));
  EXPECT_TRUE(is_kept(url_of(good)));
  EXPECT_FALSE(is_kept(url_of(bad)));
}

TEST_F(CacheApi, ACleanUpClearsStrayFilesAndUnnamedBlobsWhenToldTo) {
  start_with_cache();
  const auto digest = kept("some layer");
  const auto right = base::sha256("right").to_string();
  const auto wrong = base::sha256("wrong").to_string();
  support::write_file(blob_file(right), "right");
  support::write_file(blob_file(wrong), "something else");
  const auto got = api("/api/cache/gc", {"-X", "POST"});
  EXPECT_TRUE(got.has("\"adopted\":1")) << got.output;
  EXPECT_TRUE(got.has("\"removed\":1")) << got.output;
  EXPECT_FALSE(std::filesystem::exists(blob_file(wrong)));
  EXPECT_TRUE(std::filesystem::exists(blob_file(right)));
  EXPECT_TRUE(api("/api/cache/gc", {"-d", R"({"unnamed":true})"}).has("\"unnamed\":1"));
  EXPECT_FALSE(std::filesystem::exists(blob_file(right)));
  EXPECT_TRUE(is_kept(url_of(digest)));
  EXPECT_TRUE(api("/api/cache/gc", {"-d", R"({"unnamed":1})"}).has("400 Bad Request"));
}

TEST_F(CacheApi, WithoutACacheEveryQuestionSaysSo) {
  start();
  for (const auto* path : {"/api/cache/entries", "/api/cache/pins"}) {
    const auto got = api(path);
    EXPECT_TRUE(got.has("400 Bad Request")) << path;
    EXPECT_TRUE(got.has("{\"error\":\"cache disabled\"}\n")) << got.output;
  }
  EXPECT_TRUE(api("/api/cache/verify", {"-X", "POST"}).has("cache disabled"));
}

/// "get" as Allow has it.
std::string method_of(const std::string& name) {
  std::string method;
  for (const char c : name) method += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return method;
}

TEST_F(CacheApi, ItsDocumentNamesPathsAndMethodsThatTheProgramHas) {
  start_with_cache();
  const auto document = ask("/api/openapi.json");
  EXPECT_EQ(document["openapi"], "3.1.0");
  ASSERT_TRUE(document["paths"].contains("/api/cache/entries"));
  for (const auto& [path, operations] : document["paths"].items()) {
    auto called = path;
    if (const auto brace = called.find('{'); brace != std::string::npos)
      called.replace(brace, std::string::npos, base::sha256("x").to_string());
    const auto allowed = api(called, {"-X", "OPTIONS"});
    EXPECT_TRUE(allowed.has("405 Method Not Allowed")) << path << allowed.output;
    for (const auto& [name, operation] : operations.items()) {
      const auto line = allowed.output.substr(std::min(allowed.output.find("Allow: "), allowed.output.size()));
      EXPECT_THAT(line.substr(0, line.find('\r')), HasSubstr(method_of(name))) << path;
      EXPECT_FALSE(operation["summary"].get<std::string>().empty()) << path;
      EXPECT_TRUE(operation["responses"].contains("200")) << path;
    }
  }
}

TEST_F(CacheApi, MetricsTellWhatTheCacheDidForEachHost) {
  forward::ScriptedOrigin origin([](const support::SeenRequest&) {
    return forward::scripted(200, "Cache-Control: max-age=60\r\n", "0123456789");
  });
  start_with_cache();
  const auto digest = push("some layer");
  EXPECT_TRUE(curl({url_of(digest)}).has("200 OK"));
  EXPECT_TRUE(support::wait_until([&] { return is_kept(url_of(digest)); }));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(curl({url_of(digest)}).has("X-Cache: HIT"));
  keep(origin.url("/page"));
  EXPECT_TRUE(curl({origin.url("/page")}).has("X-Cache: HIT"));
  const auto figures = metrics();
  const auto expect = [&](std::string_view name, const std::string& host, int value) {
    EXPECT_THAT(figures, HasSubstr(std::string("\npropeller_forward_cache_host_") + std::string(name) + "{host=\"" +
                                   host + "\"} " + std::to_string(value) + "\n"));
  };
  expect("hits_total", plain_.host(), 2);
  expect("misses_total", plain_.host(), 1);
  expect("bytes_total", plain_.host(), 30);
  expect("saved_bytes_total", plain_.host(), 20);
  expect("hits_total", origin.url("").substr(7), 1);
  expect("misses_total", origin.url("").substr(7), 1);
  expect("hits_total", "other", 0);
}

TEST_F(CacheApi, WhoRidesAlongIsCountedAsCoalesced) {
  start_with_cache();
  const auto digest = push(std::string(100'000, 'x'));
  plain_.inject(digest,
                {.kind = support::FaultKind::trickle, .bytes = 10'000, .pause = std::chrono::milliseconds(100)});
  auto first = std::async(std::launch::async, [&] { return curl({"-o", "/dev/null", url_of(digest)}).exit_code; });
  ASSERT_TRUE(support::wait_until([&] { return plain_.requests_with(digest) == 1; }));
  EXPECT_EQ(curl({"-o", "/dev/null", url_of(digest)}).exit_code, 0);
  EXPECT_EQ(first.get(), 0);
  const auto figures = metrics();
  EXPECT_THAT(figures, HasSubstr("\npropeller_forward_cache_host_coalesced_total{host=\"" + plain_.host() + "\"} 1\n"));
  EXPECT_THAT(figures, HasSubstr("_host_saved_bytes_total{host=\"" + plain_.host() + "\"} 100000\n"));
}

TEST_F(CacheApi, WhatMakesRoomForOthersIsCountedByHost) {
  start_with_cache("max_size: 100KiB, policy: lru");
  for (const char letter : {'a', 'b', 'c', 'd'}) (void)kept(std::string(40'000, letter));
  const auto line = "\npropeller_forward_cache_host_evictions_total{host=\"" + plain_.host() + "\"} 2\n";
  EXPECT_TRUE(support::wait_until([&] { return metrics().contains(line); })) << metrics();
}

TEST_F(CacheApi, APathWithANameStillKnowsItsMethods) {
  start_with_cache();
  const auto digest = base::sha256("x").to_string();
  EXPECT_TRUE(api("/api/cache/" + digest).has("Allow: DELETE"));
  EXPECT_TRUE(api("/api/cache/pins/" + digest).has("Allow: PUT, DELETE"));
  EXPECT_TRUE(api("/api/cache/stats", {"-X", "DELETE"}).has("405 Method Not Allowed"));
  EXPECT_TRUE(api("/api/cache/pins/" + digest + "/more").has("404 Not Found"));
}

}  // namespace
}  // namespace propeller::cmd
