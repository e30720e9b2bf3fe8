// Tags: what they stand for is asked for by HEAD, and remembered for a while.
#include <atomic>

#include "forward/cache_fixture.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using support::SeenRequest;

const std::string kIndexType = "application/vnd.oci.image.index.v1+json";
const std::string kManifestType = "application/vnd.oci.image.manifest.v1+json";

/// A registry with one tag, acme/m:latest, that moves and breaks as a test says. Who asks for an index gets one.
class CacheTag : public testing::Test {
 protected:
  CacheTag() { site.settings.cache.tag_window = std::chrono::hours(1); }

  [[nodiscard]] std::string tag() const { return registry.url("/v2/acme/m/manifests/latest"); }
  static std::string index_of(int version) { return R"({"index":)" + std::to_string(version) + "}"; }
  static std::string manifest_of(int version) { return R"({"manifest":)" + std::to_string(version) + "}"; }
  static std::string digest_of(const std::string& text) { return base::sha256(text).to_string(); }

  [[nodiscard]] int asked(const std::string& method, const std::string& part) const {
    const auto requests = registry.requests();
    return static_cast<int>(std::ranges::count_if(requests, [&](const SeenRequest& request) {
      return request.method == method && request.target.contains(part);
    }));
  }
  Reply send(const std::string& method, const std::string& url, const std::string& fields = {}) {
    auto peer = site.ask(url, fields, method);
    return read_reply(peer, method != "HEAD");
  }
  /// Asked for once, and in the store.
  void store_tag() {
    ASSERT_EQ(site.get(tag()).body, manifest_of(version));
    ASSERT_TRUE(site.has_stored(1));
    ASSERT_TRUE(site.is_idle());
  }

  std::atomic<int> version = 1;
  std::atomic<int> trouble = 0;  ///< the status of everything from then on; 0: none
  std::atomic<bool> hangs = false, names_digests = true;
  std::string only_for;  ///< this Authorization
  support::TempDir directory;
  CacheSite site{directory.path()};
  ScriptedOrigin registry{[this](const SeenRequest& request) { return answer(request); }};

 private:
  std::string answer(const SeenRequest& request) {
    if (hangs) (void)support::wait_until([&] { return !hangs; });
    if (trouble != 0) return scripted(trouble, "Retry-After: 60\r\n", "trouble");
    if (!only_for.empty() && request.field("authorization") != only_for) return scripted(401, "", "who?");
    if (request.method == "PUT" || request.method == "DELETE") return scripted(201, "", "");
    if (request.target.contains("/tags/list") || request.target.contains("/referrers/"))
      return scripted(200, "Cache-Control: max-age=60\r\n", "{}");
    const bool is_index = request.field("accept").contains("index");
    for (int each = 1; each <= version; ++each) {
      const auto text = is_index ? index_of(each) : manifest_of(each);
      const bool is_meant =
          request.target.ends_with("/latest") ? each == version : request.target.ends_with(digest_of(text));
      if (!is_meant) continue;
      std::string fields = "Content-Type: " + (is_index ? kIndexType : kManifestType) + "\r\n";
      if (names_digests) fields += "Docker-Content-Digest: " + digest_of(text) + "\r\n";
      auto response = scripted(200, fields, text);
      if (request.method == "HEAD") response.resize(response.size() - text.size());
      return response;
    }
    return scripted(404, "", "no such thing");
  }
};

TEST_F(CacheTag, IsAskedForByHeadAndFetchedByItsDigest) {
  site.start();
  const auto first = site.get(tag());
  EXPECT_EQ(first.body, manifest_of(1));
  EXPECT_EQ(first.field("Docker-Content-Digest"), digest_of(manifest_of(1)));
  EXPECT_EQ(first.field("Content-Type"), kManifestType);
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_EQ(asked("HEAD", "/latest"), 1);
  EXPECT_EQ(asked("GET", "/latest"), 0);
  EXPECT_EQ(asked("GET", digest_of(manifest_of(1))), 1);
  const auto second = site.get(tag());
  EXPECT_TRUE(second.is_hit());
  EXPECT_EQ(second.body, manifest_of(1));
  EXPECT_EQ(registry.request_count(), 2U) << "within the window nobody is asked";
  EXPECT_TRUE(site.get(registry.url("/v2/acme/m/manifests/" + digest_of(manifest_of(1)))).is_hit());
}

TEST_F(CacheTag, BehindTheWindowOneHeadTellsWhetherItHasMoved) {
  site.settings.cache.tag_window = std::chrono::milliseconds(0);
  site.start();
  store_tag();
  EXPECT_TRUE(site.get(tag()).is_hit());
  EXPECT_EQ(asked("HEAD", "/latest"), 2);
  version = 2;
  EXPECT_EQ(site.get(tag()).body, manifest_of(2));
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_TRUE(site.get(tag()).is_hit());
  EXPECT_EQ(asked("GET", "/manifests/"), 2);
}

TEST_F(CacheTag, WhoWantsTheRegistrysWordGetsIt) {
  site.start();
  store_tag();
  version = 2;
  EXPECT_EQ(site.get(tag()).body, manifest_of(1));
  EXPECT_EQ(site.get(tag(), "Cache-Control: no-cache\r\n").body, manifest_of(2));
  EXPECT_EQ(site.get(tag()).body, manifest_of(2));
}

// Source: RFC 9111 section 5.2.1.7
TEST_F(CacheTag, WhoWantsOnlyWhatIsHereCostsTheRegistryNothing) {
  const std::string only = "Cache-Control: only-if-cached\r\n";
  const auto by_digest = registry.url("/v2/acme/m/manifests/" + digest_of(manifest_of(1)));
  site.start();
  for (const auto& url : {tag(), by_digest}) {
    const auto got = site.get(url, only);
    EXPECT_EQ(got.status, 504);
    EXPECT_EQ(got.field("Cache-Status"), "propeller-proxy; detail=only-if-cached");
  }
  EXPECT_EQ(registry.request_count(), 0U);
  store_tag();
  const auto asked_before = registry.request_count();
  for (const auto& url : {tag(), by_digest}) EXPECT_EQ(site.get(url, only).body, manifest_of(1));
  EXPECT_EQ(registry.request_count(), asked_before);
}

TEST_F(CacheTag, StaleIsServedWhileTheRegistryCannotSay) {
  site.settings.cache.tag_window = std::chrono::milliseconds(0);
  site.start();
  store_tag();
  for (const int status : {429, 500, 503}) {
    trouble = status;
    const auto stale = site.get(tag());
    EXPECT_EQ(stale.body, manifest_of(1)) << status;
    EXPECT_TRUE(stale.field("Cache-Status").value_or("").contains("detail=stale")) << stale.head;
  }
  trouble = 0;
  registry.stop();
  EXPECT_TRUE(site.get(tag()).is_hit()) << "the uplink is down";
  EXPECT_EQ(send("HEAD", tag()).field("Docker-Content-Digest"), digest_of(manifest_of(1)));
}

TEST_F(CacheTag, ASilentRegistryIsNotWaitedForToTheEnd) {
  site.settings.cache.tag_window = std::chrono::milliseconds(0);
  site.start();
  store_tag();
  hangs = true;
  EXPECT_TRUE(site.get(tag()).is_hit());
  const auto requests = registry.request_count();
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(site.get(tag()).is_hit());
  EXPECT_EQ(registry.request_count(), requests) << "nor asked again at once";
  hangs = false;
}

// By all the cores: which one a client comes to is chance, so there are many.
TEST_F(CacheTag, ARegistryThatWantsToBeLeftAloneIs) {
  site.settings.cache.tag_window = std::chrono::milliseconds(0);
  site.start();
  store_tag();
  trouble = 429;
  EXPECT_TRUE(site.get(tag()).is_hit());
  const auto requests = registry.request_count();
  for (int i = 0; i < 16; ++i) {
    const auto again = site.get(tag());
    EXPECT_EQ(again.body, manifest_of(1));
    EXPECT_EQ(again.field("Cache-Status"), "propeller-proxy; hit; detail=stale");
  }
  EXPECT_EQ(registry.request_count(), requests) << "it said Retry-After: 60";
  trouble = 0;
  version = 2;
  EXPECT_EQ(site.get(tag(), "Cache-Control: no-cache\r\n").body, manifest_of(2)) << "who insists is asked for";
}

TEST_F(CacheTag, TroubleWithNothingToFallBackOnIsTheRegistrysOwn) {
  site.start();
  trouble = 429;
  const auto refused = site.get(tag());
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.field("Retry-After"), "60");
  EXPECT_EQ(refused.body, "trouble");
}

TEST_F(CacheTag, WhatIsAcceptedTellsTheVariantsApart) {
  site.start();
  const auto ask = [&](const std::string& accept) { return site.get(tag(), "Accept: " + accept + "\r\n").body; };
  EXPECT_EQ(ask(kManifestType), manifest_of(1));
  EXPECT_EQ(ask(kIndexType + ", " + kManifestType), index_of(1));
  EXPECT_EQ(ask(kManifestType + "," + kIndexType), index_of(1)) << "the same in another order";
  EXPECT_EQ(asked("HEAD", "/latest"), 2);
}

TEST_F(CacheTag, HeadIsAnsweredFromWhatIsKnown) {
  site.start();
  const auto first = send("HEAD", tag());
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.field("Docker-Content-Digest"), digest_of(manifest_of(1)));
  EXPECT_EQ(registry.request_count(), 1U);
  store_tag();
  const auto asked_so_far = registry.request_count();
  const auto second = send("HEAD", tag());
  EXPECT_EQ(second.announced(), manifest_of(1).size());
  EXPECT_EQ(registry.request_count(), asked_so_far);
}

TEST_F(CacheTag, AWriteThroughHereForgetsIt) {
  site.start();
  store_tag();
  const auto list = registry.url("/v2/acme/m/tags/list");
  const auto referrers = registry.url("/v2/acme/m/referrers/" + digest_of(manifest_of(1)));
  EXPECT_EQ(site.get(list).body, "{}");
  EXPECT_EQ(site.get(referrers).body, "{}");
  ASSERT_TRUE(site.has_stored(3));
  EXPECT_TRUE(site.get(referrers).is_hit());
  version = 2;
  EXPECT_EQ(site.get(tag()).body, manifest_of(1));
  EXPECT_EQ(send("PUT", tag(), "Content-Length: 0\r\n").status, 201);
  EXPECT_EQ(site.get(tag()).body, manifest_of(2));
  EXPECT_FALSE(site.get(list).is_hit()) << "the list of tags may have grown";
  EXPECT_FALSE(site.get(referrers).is_hit()) << "that of what refers to it, too";
}

TEST_F(CacheTag, ADeletedManifestTakesItsTagsAlong) {
  site.start();
  store_tag();
  version = 2;
  const auto by_digest = registry.url("/v2/acme/m/manifests/" + digest_of(manifest_of(1)));
  EXPECT_EQ(send("DELETE", by_digest, "Content-Length: 0\r\n").status, 201);
  EXPECT_EQ(site.get(tag()).body, manifest_of(2));
}

TEST_F(CacheTag, ARegistryThatDoesNotNameDigestsIsAskedAsIfThereWereNoCache) {
  names_digests = false;
  site.settings.threads = 1;  // each core remembers that for itself
  site.start();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(site.get(tag()).body, manifest_of(1));
  EXPECT_EQ(asked("GET", "/latest"), 2);
  EXPECT_EQ(asked("HEAD", "/latest"), 1) << "and not by HEAD again";
}

TEST_F(CacheTag, WithoutDigestsTheRulesOfHttpHoldAndTheUplinkMayBeDown) {
  names_digests = false;
  site.start();
  const auto own = "Cache-Control: max-age=600\r\n";
  ScriptedOrigin dated{[&](const SeenRequest&) { return scripted(200, own, "{}"); }};
  const auto url = dated.url("/v2/acme/m/manifests/latest");
  EXPECT_EQ(site.get(url).body, "{}");
  ASSERT_TRUE(site.has_stored(1));
  dated.stop();
  EXPECT_TRUE(site.get(url).is_hit());
}

TEST_F(CacheTag, ADigestThatTheRegistryDoesNotGiveIsNotTheEnd) {
  ScriptedOrigin odd{[&](const SeenRequest& request) {
    if (!request.target.ends_with("/latest")) return scripted(404, "", "");
    const auto response = scripted(200, "Docker-Content-Digest: " + digest_of("{}") + "\r\n", "{}");
    return request.method == "HEAD" ? response.substr(0, response.size() - 2) : response;
  }};
  site.start();
  EXPECT_EQ(site.get(odd.url("/v2/acme/m/manifests/latest")).body, "{}");
}

// Whoever runs a registry can name any digest: what others keep under it is not his to give.
TEST_F(CacheTag, AnotherRegistryThatNamesTheDigestGivesNothingAway) {
  site.start();
  store_tag();
  ScriptedOrigin thief{[&](const SeenRequest& request) {
    if (request.method != "HEAD") return scripted(404, "", "");
    return scripted(200, "Docker-Content-Digest: " + digest_of(manifest_of(1)) + "\r\n", "");
  }};
  const auto got = site.get(thief.url("/v2/acme/m/manifests/latest"));
  EXPECT_EQ(got.status, 404) << got.body;
}

TEST_F(CacheTag, OfAPrivateRepositoryIsForThoseWhomTheRegistryAccepts) {
  only_for = "Bearer ann";
  site.start();
  const auto as = [&](const std::string& who) { return site.get(tag(), "Authorization: Bearer " + who + "\r\n"); };
  EXPECT_EQ(as("ann").body, manifest_of(1));
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(as("ann").is_hit());
  EXPECT_EQ(as("mallory").status, 401);
  EXPECT_EQ(site.get(tag()).status, 401);
  registry.stop();
  EXPECT_TRUE(as("ann").is_hit());
  EXPECT_EQ(as("mallory").status, 502);
}

}  // namespace
}  // namespace propeller::forward
