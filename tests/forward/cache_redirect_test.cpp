// Registries that redirect to their storage: clients that name the registry themselves, not through the mirror.
#include <gmock/gmock.h>

#include <atomic>

#include "forward/cache_fixture.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using support::SeenRequest;

class CacheRedirect : public testing::Test {
 protected:
  static std::string path() { return "/v2/acme/m/blobs/" + base::sha256(kBytes).to_string(); }

  static inline const std::string kBytes = noise(20'000);
  std::atomic<int> signature = 0;
  support::TempDir directory;
  CacheSite site{directory.path()};
  ScriptedOrigin storage{
      [](const SeenRequest&) { return scripted(200, "Content-Type: application/octet-stream\r\n", kBytes); }};
  ScriptedOrigin registry{[this](const SeenRequest&) {
    const auto address = storage.url("/bucket/data?signature=" + std::to_string(++signature));
    return scripted(307, "Location: " + address + "\r\n", "");
  }};
};

// Of a signed address that is another one each time nothing was ever hit.
TEST_F(CacheRedirect, WhatTheStorageSendsIsKeptUnderTheDigest) {
  site.start();
  const auto first = site.get(registry.url(path()));
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, kBytes);
  EXPECT_EQ(first.field("Docker-Content-Digest"), base::sha256(kBytes).to_string());
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(site.get(registry.url(path())).is_hit());
  EXPECT_EQ(registry.request_count(), 1U);
  EXPECT_EQ(storage.request_count(), 1U);
}

TEST_F(CacheRedirect, ByWayOfAnUpstreamProxyItIsTheSame) {
  const support::TempDir there;
  CacheSite outer(there.path());
  outer.settings.cache.is_enabled = false;
  outer.start();
  site.go_through(outer);
  site.start();
  EXPECT_EQ(site.get(registry.url(path())).body, kBytes);
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(site.get(registry.url(path())).is_hit());
  for (const auto* there_too : {&registry, &storage})
    EXPECT_THAT(there_too->requests().at(0).field("via"), testing::HasSubstr(",")) << "by way of both";
  site.stop();
}

TEST_F(CacheRedirect, CredentialsStayWithTheRegistry) {
  site.start();
  EXPECT_EQ(site.get(registry.url(path()), "Authorization: Bearer ann\r\nX-Kept: yes\r\n").body, kBytes);
  ASSERT_EQ(storage.request_count(), 1U);
  EXPECT_EQ(storage.requests()[0].field("authorization"), "");
  EXPECT_EQ(storage.requests()[0].field("x-kept"), "yes");
  ASSERT_TRUE(site.has_stored(1));
  const auto other = site.get(registry.url(path()));
  EXPECT_EQ(other.body, kBytes) << "the registry redirects everybody: HEAD says that it is for all";
}

// A header rule is for the host that it names, whatever its secret is called.
TEST_F(CacheRedirect, WhatOurRulesAddStaysWithTheHostThatTheyName) {
  site.settings.rules.headers = {{.pattern = "127.0.0.1",
                                  .conditions = {{.header = "X-Team", .equals = "ours"}},
                                  .set = {{.name = "X-Corp", .value = Secret("s3cret")}},
                                  .append = {}}};
  site.start();
  EXPECT_EQ(site.get(registry.url(path()), "X-Team: ours\r\n").body, kBytes);
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_EQ(registry.requests()[0].field("x-corp"), "s3cret");
  EXPECT_EQ(storage.requests()[0].field("x-corp"), "");
  const auto asked = registry.request_count();
  (void)site.get(registry.url(path()));
  EXPECT_EQ(registry.request_count(), asked + 1) << "who does not meet the condition is asked for";
}

TEST_F(CacheRedirect, WhatBreaksOffIsResumedTheWholeWay) {
  constexpr std::size_t kHalf = 10'000;
  ScriptedOrigin breaking{[](const SeenRequest& request) {
    const std::string etag = "ETag: \"1\"\r\n";
    if (request.field("range").empty()) {
      return "HTTP/1.1 200 OK\r\n" + etag + "Content-Length: " + std::to_string(kBytes.size()) + "\r\n\r\n" +
             kBytes.substr(0, kHalf);
    }
    EXPECT_EQ(request.field("range"), "bytes=10000-19999");
    return scripted(206, etag + "Content-Range: bytes 10000-19999/20000\r\n", kBytes.substr(kHalf));
  }};
  ScriptedOrigin asked{[&](const SeenRequest&) {
    return scripted(307, "Location: " + breaking.url("/" + std::to_string(++signature)) + "\r\n", "");
  }};
  site.start();
  EXPECT_EQ(site.get(asked.url(path())).body, kBytes);
  EXPECT_TRUE(site.has_stored(1));
  ASSERT_EQ(breaking.request_count(), 2U);
  EXPECT_EQ(breaking.requests()[1].target, "/2") << "an address may be signed for a while only";
}

TEST_F(CacheRedirect, AStorageThatIsDeadIsABadGatewayAndNothingIsKept) {
  site.start();
  storage.stop();
  for (int i = 0; i < 2; ++i) {
    const auto failed = site.get(registry.url(path()));
    EXPECT_EQ(failed.status, 502) << failed.head;
    EXPECT_TRUE(failed.field("Proxy-Status")) << failed.head;
  }
  EXPECT_TRUE(site.is_idle());
  EXPECT_EQ(site.store->status().bytes, 0U);
}

TEST_F(CacheRedirect, AStorageThatBreaksEachTimeBreaksTheAnswer) {
  ScriptedOrigin breaking{[](const SeenRequest&) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBytes.size()) + "\r\n\r\n" + kBytes.substr(0, 100);
  }};
  ScriptedOrigin asked{
      [&](const SeenRequest&) { return scripted(307, "Location: " + breaking.url("/") + "\r\n", ""); }};
  site.start();
  const auto broken = site.get(asked.url(path()));
  EXPECT_EQ(broken.announced(), kBytes.size());
  EXPECT_LT(broken.body.size(), kBytes.size()) << "what is not whole does not look it";
  EXPECT_TRUE(support::wait_until([&] { return site.store->status().bytes == 0; })) << "nor is anything left of it";
  EXPECT_EQ(site.proxy->cache_stats().errors, 1U);
}

TEST_F(CacheRedirect, WhereTheRulesDoNotLetItGoItIsRefused) {
  site.settings.rules.allowlist = {.is_enabled = true, .domains = {}, .ips = {"127.0.0.1"}};
  ScriptedOrigin elsewhere{
      [](const SeenRequest&) { return scripted(307, "Location: http://169.254.169.254/latest\r\n", ""); }};
  site.start();
  const auto refused = site.get(elsewhere.url(path()));
  EXPECT_EQ(refused.status, 403) << refused.head;
  EXPECT_EQ(site.store->status().entries, 0U);
}

TEST_F(CacheRedirect, WhatHasNoDigestIsTheClientsToFollow) {
  site.start();
  EXPECT_EQ(site.get(registry.url("/v2/acme/m/manifests/latest")).status, 307);
  EXPECT_EQ(storage.request_count(), 0U);
}

TEST_F(CacheRedirect, TheStoragesOwnErrorIsTheAnswer) {
  ScriptedOrigin broken{[](const SeenRequest&) { return scripted(403, "", "expired"); }};
  ScriptedOrigin at_broken{
      [&](const SeenRequest&) { return scripted(307, "Location: " + broken.url("/bucket") + "\r\n", ""); }};
  site.start();
  const auto failed = site.get(at_broken.url(path()));
  EXPECT_EQ(failed.status, 403);
  EXPECT_EQ(failed.body, "expired");
}

}  // namespace
}  // namespace propeller::forward
