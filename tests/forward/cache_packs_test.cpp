// What packs add to the rules of HTTP, through the proxy's port. The rules themselves: tests/cache/packs_test.cpp; with
// npm and apt: tests/cmd/forward_packs_test.cpp.
#include <atomic>

#include "forward/cache_fixture.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using support::SeenRequest;

constexpr const char* kArchive = "/acme/-/acme-1.0.0.tgz";
const std::string kShort = "Accept: application/vnd.npm.install-v1+json\r\n";
const std::string kFull = "Accept: application/json\r\npacote-req-type: packument\r\n";
const std::string kLogin = "Authorization: Bearer secret\r\n";

class CachePacks : public testing::Test {
 protected:
  CachePacks() {
    site.settings.cache.packs = {config::CachePack::npm};
    site.start();
  }

  void keep(const std::string& url, const std::string& fields = {}) {
    const auto stores = site.proxy->cache_stats().stores;
    EXPECT_EQ(site.get(url, fields).status, 200);
    EXPECT_TRUE(site.has_stored(stores + 1)) << url;
  }
  void reload() { ASSERT_TRUE(site.proxy->apply(site.settings)); }

  support::TempDir directory;
  CacheSite site{directory.path()};
};

TEST_F(CachePacks, WhatDoesNotChangeIsAskedForOnceAlthoughItsOriginSaysNothing) {
  ScriptedOrigin origin([](const SeenRequest&) { return scripted(200, "Set-Cookie: a=b\r\n", "archive"); });
  keep(origin.url(kArchive));
  const auto again = site.get(origin.url(kArchive), "Cache-Control: max-age=0\r\n");
  EXPECT_EQ(again.body, "archive");
  EXPECT_TRUE(again.is_hit());
  EXPECT_FALSE(again.field("Set-Cookie")) << "another one's cookie";
  EXPECT_EQ(origin.request_count(), 1U);
  EXPECT_FALSE(site.get(origin.url(kArchive), "Cache-Control: no-cache\r\n").is_hit()) << "who wants it anew gets it";
}

TEST_F(CachePacks, APackThatIsSwitchedOffLeavesWhatItKeptToTheRulesOfHttp) {
  ScriptedOrigin origin([](const SeenRequest&) { return scripted(200, "ETag: \"1\"\r\n", "archive"); });
  keep(origin.url(kArchive));
  EXPECT_TRUE(site.get(origin.url(kArchive)).is_hit());
  site.settings.cache.packs.clear();
  reload();
  EXPECT_FALSE(site.get(origin.url(kArchive)).is_hit());
  EXPECT_EQ(origin.requests().at(1).field("if-none-match"), "\"1\"");
}

TEST_F(CachePacks, WhatIsAskedForWithCredentialsIsUnderNoPack) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    return scripted(200, request.target == kArchive ? "" : "Cache-Control: s-maxage=0\r\nETag: \"1\"\r\n", "private");
  });
  for (const auto& fields : {kLogin, std::string("Cookie: a=b\r\n")}) {
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(site.get(origin.url(kArchive), fields).is_hit());
  }
  keep(origin.url(kArchive));
  EXPECT_EQ(origin.request_count(), 5U) << "nor was it there for others";
  const auto shared = origin.url("/b/-/b-1.0.0.tgz");
  keep(shared, kLogin);
  EXPECT_FALSE(site.get(shared).is_hit()) << "may be shared when it was checked, and no more than that";
}

TEST_F(CachePacks, WhatEverybodyMayHaveIsCheckedForWhoLogsIn) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    if (!request.field("authorization").empty()) return scripted(403, "", "not you");
    return scripted(200, "ETag: \"1\"\r\n", "archive");
  });
  keep(origin.url(kArchive));
  EXPECT_EQ(site.get(origin.url(kArchive), kLogin).status, 403);
}

TEST_F(CachePacks, TheFormsOfADocumentAreKeptApart) {
  ScriptedOrigin origin([](const SeenRequest& request) {
    const auto is_short = request.field("accept") != "application/json";
    return scripted(200, "Cache-Control: max-age=60\r\n", is_short ? "short" : "full");
  });
  keep(origin.url("/acme"), kShort);
  keep(origin.url("/acme"), kFull);
  for (const auto& [fields, body] : {std::pair(kShort, "short"), std::pair(kFull, "full")}) {
    const auto reply = site.get(origin.url("/acme"), fields);
    EXPECT_EQ(reply.body, body);
    EXPECT_TRUE(reply.is_hit());
  }
}

TEST_F(CachePacks, ADocumentOutlivesTheErrorsAndTheSilenceOfItsOrigin) {
  std::atomic<int> status = 200;
  ScriptedOrigin origin([&](const SeenRequest&) {
    return scripted(status, "Cache-Control: max-age=0, must-revalidate\r\n", status == 200 ? "document" : "error");
  });
  keep(origin.url("/acme"), kFull);
  for (const int each : {429, 500, 503, 0}) {
    status = each;
    if (each == 0) origin.stop();
    const auto reply = site.get(origin.url("/acme"), kFull);
    EXPECT_EQ(reply.status, 200) << each;
    EXPECT_EQ(reply.body, "document") << each;
    EXPECT_EQ(reply.field("Cache-Status"), "propeller-proxy; hit; detail=stale") << each;
  }
}

// Who finds that nobody answers has waited for it; a set-up asks for hundreds.
TEST_F(CachePacks, AnOriginThatWasSilentIsNotAskedAgainForAWhile) {
  site.stop();
  site.settings.proxy.timeouts.first_byte = std::chrono::milliseconds(200);
  site.start();
  std::atomic<bool> is_silent = false;
  ScriptedOrigin origin([&](const SeenRequest& request) {
    is_silent.wait(true);
    return scripted(200, "Cache-Control: max-age=0\r\n", request.target);
  });
  for (const auto* path : {"/a", "/b"}) keep(origin.url(path), kFull);
  is_silent = true;
  EXPECT_EQ(site.get(origin.url("/a"), kFull).body, "/a");
  const auto asked = origin.request_count();
  for (int i = 0; i < 16; ++i) EXPECT_EQ(site.get(origin.url("/b"), kFull).body, "/b") << "whichever core is asked";
  EXPECT_EQ(origin.request_count(), asked);
  EXPECT_EQ(site.get(origin.url("/b"), kFull + "Cache-Control: no-cache\r\n").status, 200);
  EXPECT_EQ(origin.request_count(), asked + 1) << "who insists is asked for";
  is_silent = false;
  is_silent.notify_all();
}

TEST_F(CachePacks, AnIndexIsAskedAboutEachTimeAlthoughItIsFresh) {
  site.settings.cache.packs = {config::CachePack::debian};
  reload();
  ScriptedOrigin origin([](const SeenRequest& request) {
    if (request.field("if-none-match") == "\"1\"") return scripted(304, "Set-Cookie: a=b\r\n", "");
    return scripted(200, "Cache-Control: max-age=600, public\r\nETag: \"1\"\r\n", "index");
  });
  const auto url = origin.url("/debian/dists/stable/InRelease");
  keep(url);
  const auto again = site.get(url);
  EXPECT_EQ(again.body, "index");
  EXPECT_EQ(again.field("Cache-Status"), "propeller-proxy; fwd=stale; fwd-status=304");
  EXPECT_FALSE(again.field("Set-Cookie"));
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(CachePacks, APageInThePlaceOfAnArchiveIsNotKept) {
  ScriptedOrigin origin(
      [](const SeenRequest&) { return scripted(200, "Content-Type: text/html\r\n", "log in first"); });
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(site.get(origin.url(kArchive)).is_hit());
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(CachePacks, WithAQueryAPathIsNotAllThatCounts) {
  ScriptedOrigin origin([](const SeenRequest&) { return scripted(200, "", "archive"); });
  const auto url = origin.url(std::string(kArchive) + "?signature=s");
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(site.get(url).is_hit());
  EXPECT_EQ(origin.request_count(), 2U);
}

}  // namespace
}  // namespace propeller::forward
