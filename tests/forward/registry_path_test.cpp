// What the mirror takes apart before it asks anybody: paths, queries, redirects, rate limits.
#include "forward/registry_path.hpp"

#include <gtest/gtest.h>

#include "forward/mirror_table.hpp"
#include "forward/rate_limit.hpp"
#include "forward/redirects.hpp"

namespace propeller::forward {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(RegistryPath, TakesEveryPathOfReadingApart) {
  using Path = RegistryPath;
  EXPECT_EQ(parse_registry_path("/v2/"), Path{});
  EXPECT_EQ(parse_registry_path("/v2"), Path{});
  EXPECT_EQ(parse_registry_path("/v2/a/b/manifests/v1"), (Path{RegistryCall::manifest, "a/b", "v1"}));
  EXPECT_EQ(parse_registry_path("/v2/a/blobs/" + kDigest), (Path{RegistryCall::blob, "a", kDigest}));
  EXPECT_EQ(parse_registry_path("/v2/a/blobs/sha256%3A1"), (Path{RegistryCall::blob, "a", "sha256:1"}));
  EXPECT_EQ(parse_registry_path("/v2/a/tags/list"), (Path{RegistryCall::tags, "a", ""}));
  EXPECT_EQ(parse_registry_path("/v2/a/referrers/" + kDigest), (Path{RegistryCall::referrers, "a", kDigest}));
  EXPECT_EQ(parse_registry_path("/v2/blobs/manifests/manifests/v1"),
            (Path{RegistryCall::manifest, "blobs/manifests", "v1"}));
}

TEST(RegistryPath, EveryOtherPathIsNone) {
  for (const char* path :
       {"", "/", "/v1/", "/v22/", "/v2/a", "/v2/_catalog", "/v2/a/blobs/uploads/", "/v2/manifests/v1",
        "/v2//manifests/v1", "/v2/a/manifests/", "/v2/a/manifests/x/y", "/v2/tags/list"})
    EXPECT_FALSE(parse_registry_path(path)) << path;
}

TEST(RegistryPath, IsWrittenAsItWasRead) {
  for (const auto& path : {std::string("/v2/"), std::string("/v2/a/b/manifests/v1"), "/v2/a/blobs/" + kDigest,
                           std::string("/v2/a/tags/list"), "/v2/a/referrers/" + kDigest})
    EXPECT_EQ(parse_registry_path(path)->to_string(), path);
}

TEST(RegistryPath, NamesHaveToFollowTheirGrammar) {
  const auto check = [](RegistryCall call, const std::string& repository, const std::string& reference) {
    return check_names({call, repository, reference}).has_value();
  };
  EXPECT_TRUE(check(RegistryCall::manifest, "a/b_c", "v1"));
  EXPECT_TRUE(check(RegistryCall::manifest, "a", kDigest));
  EXPECT_TRUE(check(RegistryCall::blob, "a", "sha512:" + std::string(128, '0')));
  EXPECT_TRUE(check(RegistryCall::tags, "a", ""));
  EXPECT_FALSE(check(RegistryCall::manifest, "a", "v 1"));
  EXPECT_FALSE(check(RegistryCall::manifest, "a:b", "v1"));
  EXPECT_FALSE(check(RegistryCall::manifest, "a", "v1#path")) << "part of a reference, not of a tag";
  EXPECT_FALSE(check(RegistryCall::tags, "a@" + kDigest, ""));
  EXPECT_FALSE(check(RegistryCall::tags, "a#b", ""));
  EXPECT_FALSE(check(RegistryCall::tags, "..", ""));
  EXPECT_FALSE(check(RegistryCall::blob, "a", "v1"));
  EXPECT_FALSE(check(RegistryCall::tags, std::string(300, 'a'), ""));
}

TEST(RegistryPath, TheNamespaceIsTakenOffTheQuery) {
  EXPECT_EQ(take_namespace(""), (NamespaceQuery{}));
  EXPECT_EQ(take_namespace("n=1"), (NamespaceQuery{.rest = "n=1"}));
  EXPECT_EQ(take_namespace("n=1&ns=a%3A5&last=%3a"), (NamespaceQuery{.name = "a:5", .rest = "n=1&last=%3a"}));
  EXPECT_EQ(take_namespace("ns="), (NamespaceQuery{.name = ""}));
  EXPECT_EQ(take_namespace("ns=%4"), (NamespaceQuery{.name = "%4"}));
}

TEST(MirrorTable, RefusesWhatIsThereUnderTwoNames) {
  const auto table =
      MirrorTable::create({.upstreams = {{.name = "docker.io", .url = "a.test", .ca = {}, .credentials = {}},
                                         {.name = "index.docker.io", .url = "b.test", .ca = {}, .credentials = {}}}},
                          {});
  ASSERT_FALSE(table);
  EXPECT_NE(table.error().detail.find("index.docker.io"), std::string::npos) << table.error().detail;
}

TEST(MirrorTable, PutsThePrefixOfAnUrlInFrontOfRepositories) {
  const auto table = MirrorTable::create(
      {.upstreams = {{.name = "docker.io", .url = "harbor.test:8443/hub", .ca = {}, .credentials = {}}}}, {});
  ASSERT_TRUE(table) << table.error().detail;
  const auto choice = (*table)->choose({RegistryCall::tags, "alpine", ""}, std::nullopt);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->path.to_string(), "/v2/hub/library/alpine/tags/list");
  EXPECT_TRUE(choice->registry->is_at("harbor.test", 8443));
}

http::Uri uri(std::string_view text) { return http::parse_uri(text).value_or(http::Uri{}); }

TEST(Redirects, KeepThePathAsItCame) {
  const auto from = uri("https://r.test/v2/a/blobs/x");
  const auto leads = [&](std::string_view location) {
    const auto to = redirect_target(from, location);
    return to ? to->scheme + " " + to->authority() + " " + to->target : to.error().detail;
  };
  EXPECT_EQ(leads("https://S.test/a%2fb?sig=%7e#part"), "https s.test /a%2fb?sig=%7e");
  EXPECT_EQ(leads("https://s.test?x=1"), "https s.test /?x=1");
  EXPECT_EQ(leads("/other%7e"), "https r.test /other%7e");
  EXPECT_EQ(leads("y"), "https r.test /v2/a/blobs/y");
  EXPECT_EQ(leads("//s.test/a"), "https s.test /a");
  EXPECT_EQ(leads("http://s.test/a"), "redirected from https to http");
  for (const char* location : {"", "ftp://s.test/", "https://u:p@s.test/"})
    EXPECT_EQ(leads(location), "redirected to what is no URL") << location;
}

TEST(RateLimit, IsReadWithItsWindow) {
  const auto read = [](std::string_view limit, std::string_view remaining, std::string_view source) {
    http::Fields fields;
    fields.add("RateLimit-Limit", limit);
    fields.add("RateLimit-Remaining", remaining);
    fields.add("Docker-RateLimit-Source", source);
    return parse_rate_limit(fields);
  };
  const RateLimit usual{.limit = 100, .remaining = 7, .window_seconds = 21600, .source = "a"};
  EXPECT_EQ(read("100;w=21600", "7;w=21600", "a"), usual);
  const RateLimit plain{.limit = 100, .remaining = 0, .window_seconds = 0, .source = ""};
  EXPECT_EQ(read(" 100 ", "0", ""), plain);
  EXPECT_FALSE(read("many", "7", ""));
  EXPECT_FALSE(read("100", "-1", ""));
  EXPECT_EQ(read("1", "1", std::string(1000, 's'))->source.size(), kRateLimitSourceBytesMax);
}

}  // namespace
}  // namespace propeller::forward
