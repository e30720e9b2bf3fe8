// Content that came with credentials, and who gets it.
#include <atomic>
#include <set>

#include "forward/cache_fixture.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using support::SeenRequest;

const std::string kAnn = "Bearer ann";
const std::string kBob = "Bearer bob";
const std::string kMallory = "Bearer mallory";

std::string with(const std::string& login) {
  return login.empty() ? std::string() : "Authorization: " + login + "\r\n";
}

/// A registry whose blob in acme/m is for those who are on its list, and the same blob in acme/other for ann.
class PrivateCache : public testing::Test {
 protected:
  static std::string path(const std::string& repository = "acme/m") {
    return "/v2/" + repository + "/blobs/" + base::sha256(kBytes).to_string();
  }
  [[nodiscard]] Reply get(const std::string& login, const std::string& repository = "acme/m") const {
    return site.get(registry.url(path(repository)), with(login));
  }
  /// ann's, kept.
  void store_blob() {
    ASSERT_EQ(get(kAnn).body, kBytes);
    ASSERT_TRUE(site.has_stored(1));
    ASSERT_TRUE(site.is_idle());
  }
  [[nodiscard]] std::size_t asked(const std::string& method, const std::string& login) const {
    const auto requests = registry.requests();
    return static_cast<std::size_t>(std::ranges::count_if(requests, [&](const SeenRequest& request) {
      return request.method == method && request.field("authorization") == login;
    }));
  }
  void admit(std::set<std::string> logins) {
    const std::scoped_lock lock(mutex_);
    admitted_ = std::move(logins);
  }

  static inline const std::string kBytes = noise(20'000);
  std::atomic<std::size_t> heads_before_get = 0;  ///< a GET is answered after so many
  std::atomic<bool> has_chunked_page = false;     ///< the same, of a length that is not said
  std::atomic<bool> has_login_page = false;       ///< for those who are not admitted, instead of 401
  support::TempDir directory;
  CacheSite site{directory.path()};
  ScriptedOrigin registry{[this](const SeenRequest& request) { return answer(request); }};

 private:
  std::string answer(const SeenRequest& request) {
    const auto login = request.field("authorization");
    // As the routers of some registries do before they ask who it is.
    if (const auto at = request.target.rfind("%2f..%2f"); at != std::string::npos) {
      const auto cleaned = "/v2/acme/open/blobs/" + base::sha256(kBytes).to_string();
      return scripted(301, "Location: " + registry.url(cleaned) + "\r\n", "");
    }
    if (!may_have(login, request.target)) {
      if (has_chunked_page)
        return "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
               std::string(request.method == "HEAD" ? "" : "6\r\n<form>\r\n0\r\n\r\n");
      if (has_login_page) return scripted(200, "Content-Type: text/html\r\n", "<form>");
      return scripted(401, "WWW-Authenticate: Bearer realm=\"http://tokens.test/\"\r\n", "who are you?");
    }
    if (request.method == "HEAD") {
      ++heads_;
      return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(kBytes.size()) + "\r\n\r\n";
    }
    EXPECT_TRUE(support::wait_until([&] { return heads_ >= heads_before_get; }));
    return scripted(200, "Content-Type: application/octet-stream\r\n", kBytes);
  }
  bool may_have(const std::string& login, const std::string& target) {
    const std::scoped_lock lock(mutex_);
    if (target.contains("acme/open")) return true;
    return target.contains("acme/other") ? login == kAnn : admitted_.contains(login);
  }

  std::mutex mutex_;
  std::set<std::string> admitted_{kAnn, kBob};
  std::atomic<std::size_t> heads_ = 0;
};

TEST_F(PrivateCache, AnotherCallerGetsItOnceTheRegistryHasAcceptedHisOwnCredentials) {
  site.start();
  store_blob();
  const auto first = get(kBob);
  EXPECT_TRUE(first.is_hit()) << first.head;
  EXPECT_EQ(first.body, kBytes);
  EXPECT_TRUE(get(kBob).is_hit());
  EXPECT_EQ(asked("HEAD", kBob), 1U) << "and it is remembered";
  EXPECT_EQ(asked("GET", kBob), 0U);
}

TEST_F(PrivateCache, WhoIsNotAcceptedGetsTheRegistrysOwnAnswer) {
  site.start();
  store_blob();
  for (const auto& login : {kMallory, std::string()}) {
    const auto refused = get(login);
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.body, "who are you?");
    EXPECT_TRUE(refused.field("WWW-Authenticate")) << "which tells how to log in";
  }
}

TEST_F(PrivateCache, WhoHasBroughtItNeedsNoOtherCheckAndNoRegistry) {
  site.start();
  store_blob();
  EXPECT_TRUE(get(kAnn).is_hit());
  EXPECT_EQ(asked("HEAD", kAnn), 0U);
  registry.stop();
  EXPECT_TRUE(get(kAnn).is_hit()) << "the uplink is down";
  EXPECT_EQ(get(kBob).status, 502) << "nobody can say whether he may have it";
}

TEST_F(PrivateCache, ARangeAndHeadAreCheckedAsWell) {
  site.start();
  store_blob();
  const auto url = registry.url(path());
  const auto part = site.get(url, with(kBob) + "Range: bytes=0-9\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_TRUE(part.is_hit());
  EXPECT_EQ(site.get(url, with(kMallory) + "Range: bytes=0-9\r\n").status, 401);
  auto peer = site.ask(url, with(kMallory), "HEAD");
  EXPECT_EQ(read_reply(peer, false).status, 401);
}

TEST_F(PrivateCache, AYesHoldsForItsTimeAndNoLonger) {
  site.settings.cache.private_ttl = std::chrono::milliseconds(0);
  site.start();
  store_blob();
  EXPECT_TRUE(get(kBob).is_hit());
  EXPECT_TRUE(get(kBob).is_hit());
  EXPECT_EQ(asked("HEAD", kBob), 2U);
  admit({kAnn});
  EXPECT_EQ(get(kBob).status, 401);
}

TEST_F(PrivateCache, ItHoldsForOneRepository) {
  site.start();
  store_blob();
  EXPECT_EQ(get(kAnn, "acme/other").body, kBytes);
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_TRUE(get(kBob).is_hit());
  EXPECT_EQ(get(kBob, "acme/other").status, 401) << "the same bytes, which he gets elsewhere";
  EXPECT_EQ(site.store->status().blobs, 1U);
}

// An anonymous caller is asked for like any other: what he gets, everybody gets from then on.
TEST_F(PrivateCache, WhatTheRegistryGivesEverybodyBecomesEverybodys) {
  admit({kAnn, ""});
  site.start();
  store_blob();
  EXPECT_TRUE(get("").is_hit());
  EXPECT_EQ(asked("HEAD", ""), 1U);
  registry.stop();
  EXPECT_TRUE(get("").is_hit());
  EXPECT_TRUE(get(kBob).is_hit());
}

TEST_F(PrivateCache, APageToLogInWithIsNoYes) {
  has_login_page = true;
  site.start();
  store_blob();
  for (const auto& login : {kMallory, std::string()}) {
    for (int i = 0; i < 2; ++i) EXPECT_LT(get(login).body.size(), kBytes.size()) << "neither to HEAD nor to GET";
  }
}

TEST_F(PrivateCache, NorIsAPageWhoseLengthIsNotSaid) {
  has_chunked_page = true;
  site.start();
  store_blob();
  for (const auto& login : {kMallory, std::string()}) {
    auto peer = site.ask(registry.url(path()), with(login));
    EXPECT_FALSE(peer.read_head().contains("X-Cache: HIT")) << login;
  }
  EXPECT_TRUE(get(kAnn).is_hit());
}

// What is said to one name of a repository that means another one is said of neither.
TEST_F(PrivateCache, AYesBehindAPathThatIsCleanedIsNoneForTheRepositoryThatItNames) {
  site.start();
  store_blob();
  const auto digest = base::sha256(kBytes).to_string();
  const auto trick = "/v2/acme/m/blobs/" + digest + "%2f..%2f..%2f..%2f..%2facme%2fopen%2fblobs%2f" + digest;
  (void)site.get(registry.url(trick), with(kMallory));
  EXPECT_TRUE(site.is_idle());
  EXPECT_EQ(get(kMallory).status, 401);
}

TEST_F(PrivateCache, NobodyRidesAlongWithAPageToLogInWith) {
  has_login_page = true;
  admit({kAnn, kBob});
  heads_before_get = 1;
  site.start();
  auto ann = site.ask(registry.url(path()), with(kAnn));
  ASSERT_TRUE(support::wait_until([&] { return asked("GET", kAnn) == 1; }));
  auto mallory = site.ask(registry.url(path()), with(kMallory));
  ASSERT_TRUE(support::wait_until([&] { return asked("HEAD", kMallory) == 1; }));
  EXPECT_EQ(get(kBob).body, kBytes) << "whose HEAD lets the download go on";
  EXPECT_EQ(read_reply(ann).body, kBytes);
  EXPECT_EQ(read_reply(mallory).body, "<form>") << "his own request's answer";
}

TEST_F(PrivateCache, ACrowdOfThoseWhoMayHaveItIsOneDownload) {
  constexpr std::size_t kFollowers = 3;
  std::set<std::string> logins{kAnn};
  for (std::size_t i = 0; i < kFollowers; ++i) logins.insert("Bearer b" + std::to_string(i));
  admit(logins);
  heads_before_get = kFollowers;
  site.start();
  std::vector<Peer> crowd;
  crowd.push_back(site.ask(registry.url(path()), with(kAnn)));
  ASSERT_TRUE(support::wait_until([&] { return asked("GET", kAnn) == 1; }));
  EXPECT_EQ(get(kMallory).status, 401) << "he does not ride along";
  for (std::size_t i = 0; i < kFollowers; ++i)
    crowd.push_back(site.ask(registry.url(path()), with("Bearer b" + std::to_string(i))));
  for (auto& peer : crowd) EXPECT_EQ(read_reply(peer).body, kBytes);
  for (const auto& login : logins) EXPECT_EQ(asked("GET", login), login == kAnn ? 1U : 0U) << login;
}

TEST_F(PrivateCache, NeverKeepsNothing) {
  site.settings.cache.private_content = config::PrivateContent::never;
  site.start();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(get(kAnn).body, kBytes);
  EXPECT_EQ(asked("GET", kAnn), 2U);
  EXPECT_EQ(site.store->status().blobs, 0U);
}

TEST_F(PrivateCache, WhatIsThereStaysPrivateWhenNothingIsKeptAnyMore) {
  site.start();
  store_blob();
  site.proxy.reset();
  site.settings.cache.private_content = config::PrivateContent::never;
  site.proxy.emplace(site.settings, &*site.store);
  ASSERT_TRUE(site.proxy->start());
  EXPECT_FALSE(get(kAnn).is_hit());
  EXPECT_EQ(get("").status, 401);
}

TEST_F(PrivateCache, WithTheProxysCredentialsAloneItIsKeptForAllWhoMayUseThem) {
  site.settings.cache.private_content = config::PrivateContent::proxy_credentials;
  site.settings.rules.headers = {{.pattern = "127.0.0.1",
                                  .conditions = {{.header = "X-Team", .equals = "ours"}},
                                  .set = {{.name = "Authorization", .value = Secret(kAnn)}},
                                  .append = {}}};
  site.start();
  EXPECT_EQ(get(kBob).body, kBytes);
  EXPECT_TRUE(site.is_idle());
  EXPECT_EQ(site.store->status().blobs, 0U) << "his own are not the proxy's";
  const auto ask_as_team = [&] { return site.get(registry.url(path()), "X-Team: ours\r\n"); };
  EXPECT_EQ(ask_as_team().body, kBytes);
  ASSERT_TRUE(site.has_stored(1));
  registry.stop();
  EXPECT_TRUE(ask_as_team().is_hit()) << "without a word of the registry";
  EXPECT_EQ(get("").status, 502);
  EXPECT_EQ(get(kBob).status, 502);
}

// Nothing but a digest says that two callers mean the same bytes.
TEST_F(PrivateCache, WithoutADigestNothingPrivateIsKept) {
  site.settings.cache.patterns = {"\\.whl$"};
  admit({kAnn});
  site.start();
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(site.get(registry.url("/a.whl"), with(kAnn)).is_hit());
  EXPECT_EQ(site.store->status().entries, 0U);
}

}  // namespace
}  // namespace propeller::forward
