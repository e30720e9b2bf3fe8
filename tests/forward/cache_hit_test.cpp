// What was fetched once, through the proxy's port: who gets it again, and how.
#include <sys/stat.h>

#include <fstream>
#include <regex>

#include "forward/cache_fixture.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using support::FaultKind;

/// Bytes that this process has written to files and, by sendfile, from files to sockets; those of send() do not count.
std::uint64_t bytes_written() {
  std::ifstream in("/proc/self/io");
  for (std::string name; in >> name;) {
    std::uint64_t value = 0;
    in >> value;
    if (name == "wchar:") return value;
  }
  return 0;
}

TEST_F(CacheTest, TheSecondPullDoesNotReachTheRegistry) {
  site.start();
  const std::string bytes(300'000, 'b');
  const auto address = store_blob(bytes);
  const auto again = site.get(address);
  EXPECT_TRUE(again.head.starts_with("HTTP/1.1 200 OK\r\n")) << again.head;
  EXPECT_EQ(again.body, bytes);
  EXPECT_EQ(again.field("X-Cache"), "HIT");
  EXPECT_EQ(again.field("Cache-Status"), "propeller-proxy; hit");
  EXPECT_EQ(again.field("Content-Type"), "application/octet-stream");
  EXPECT_EQ(again.field("Docker-Content-Digest"), base::sha256(bytes).to_string());
  EXPECT_TRUE(again.field("Via").value_or("").starts_with("1.1 propeller-proxy-"));
  EXPECT_TRUE(
      std::regex_match(again.field("X-Cache-Date").value_or(""), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")));
  EXPECT_TRUE(std::regex_match(again.field("Age").value_or(""), std::regex(R"(\d+)")));
  EXPECT_EQ(registry.requests().size(), 1U);
  const CacheStats expected{.hits = 1, .misses = 1, .stores = 1, .current_size = bytes.size()};
  EXPECT_EQ(site.proxy->cache_stats(), expected);
}

TEST_F(CacheTest, AMissSaysNothingOfACache) {
  site.start();
  registry.push_blob("acme/m", "bytes");
  const auto first = site.get(url("bytes"));
  EXPECT_EQ(first.body, "bytes");
  EXPECT_FALSE(first.field("X-Cache"));
  EXPECT_FALSE(first.field("Age"));
}

TEST_F(CacheTest, InterceptedHttpsHitsToo) {
  const support::TlsFiles tls;
  support::FakeRegistry secure({.tls = &tls});
  secure.push_blob("acme/m", "secure bytes");
  site.settings.tls.upstream_ca = {tls.ca()};
  site.start();
  const auto pull = [&](const std::string& version) {
    return support::run_command({"curl", "-sS", "-i", version, "--noproxy", "", "--cacert",
                                 (directory / "certs/ca.crt").string(), "-x",
                                 "http://127.0.0.1:" + std::to_string(site.port()),
                                 "https://localhost:" + std::to_string(secure.port()) + path("secure bytes")});
  };
  EXPECT_FALSE(http::contains_ignoring_case(pull("--http1.1"), "X-Cache"));
  ASSERT_TRUE(site.has_stored(1));
  for (const auto* version : {"--http1.1", "--http2"}) {
    const auto again = pull(version);
    EXPECT_TRUE(http::contains_ignoring_case(again, "X-Cache: HIT")) << again;
    EXPECT_TRUE(again.ends_with("secure bytes")) << again;
  }
  EXPECT_EQ(secure.requests_with("/blobs/"), 1);
  site.stop();  // before the server: it would write its farewell to a connection that is gone
}

TEST_F(CacheTest, ADigestMayBeOfSha512) {
  support::FakeRegistry origin({.is_bucket = true});
  const std::string bytes(100'000, 'b');
  store::BlobHash hash(store::DigestAlgorithm::sha512);
  hash.update(bytes);
  const std::string digest = hash.finish().to_string();
  const std::string right = "/v2/acme/m/blobs/" + digest;
  const std::string wrong = "/v2/acme/m/manifests/" + digest;
  origin.put_object(right, bytes);
  origin.put_object(wrong, "other bytes");
  site.start();
  EXPECT_EQ(site.get(origin.url() + right).body, bytes);
  ASSERT_TRUE(site.has_stored(1));
  const auto again = site.get(origin.url() + right);
  EXPECT_TRUE(again.is_hit());
  EXPECT_TRUE(again.body == bytes);
  EXPECT_EQ(support::read_file(directory / ("cache/blobs/sha512/" + digest.substr(7))), bytes);
  // What has not the digest that it goes by does not arrive whole, and is not kept.
  EXPECT_NE(site.get(origin.url() + wrong).body, "other bytes");
  EXPECT_TRUE(site.is_idle());
  EXPECT_FALSE(site.get(origin.url() + wrong).is_hit());
}

// Every hit wrote the whole of it to the disk again.
TEST_F(CacheTest, AHitStoresNothing) {
  site.start();
  const auto address = store_blob("bytes");
  const auto file = directory / ("cache/blobs/sha256/" + base::sha256("bytes").hex());
  struct stat before{}, after{};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(site.get(address).is_hit());
  EXPECT_TRUE(site.is_idle());
  ASSERT_EQ(::stat(file.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  EXPECT_EQ(site.proxy->cache_stats().stores, 1U);
}

// While one hit was read, the others waited.
TEST_F(CacheTest, AHitThatNobodyReadsHoldsNobodyUp) {
  site.settings.threads = 1;
  site.start();
  const auto address = store_blob(noise(16'000'000));
  auto stuck = site.ask(address);
  EXPECT_TRUE(stuck.read_head().contains("X-Cache: HIT"));
  EXPECT_TRUE(site.get(address).is_hit());
  EXPECT_TRUE(site.get(store_blob("another")).is_hit());
}

// It pushed out everything else, and then itself.
TEST_F(CacheTest, WhatIsLargerThanTheCacheLeavesTheOthersThere) {
  site.options.size_bytes_max = 100'000;
  site.start();
  const auto address = store_blob("bytes");
  registry.push_blob("acme/m", noise(300'000));
  EXPECT_TRUE(site.get(url(noise(300'000))).body == noise(300'000));
  EXPECT_TRUE(site.is_idle());
  EXPECT_TRUE(site.get(address).is_hit());
  EXPECT_EQ(site.proxy->cache_stats().evictions, 0U);
}

// Through a tunnel to an address, Host is only claimed: what one host behind it has is not served as another's.
TEST_F(CacheTest, HostsBehindOneAddressAreKeptApart) {
  site.start();
  registry.push_blob("acme/m", "bytes");
  const auto port = std::to_string(registry.port());
  const auto pull = [&](const std::string& host) {
    auto peer = Peer::connect(site.port());
    peer.send("CONNECT 127.0.0.1:" + port + " HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\n\r\n");
    peer.read_head();
    peer.send("GET " + path("bytes") + " HTTP/1.1\r\nHost: " + host + ":" + port + "\r\n\r\n");
    return read_reply(peer);
  };
  EXPECT_EQ(pull("a.test").body, "bytes");
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(pull("a.test").is_hit());
  EXPECT_FALSE(pull("b.test").is_hit());
  EXPECT_EQ(registry.requests_with("/blobs/"), 2);
}

TEST_F(CacheTest, AListOfTagsIsFetchedEveryTime) {
  site.start();
  registry.push_manifest("acme/m", "latest", "{}");
  const auto list = "http://" + registry.host() + "/v2/acme/m/tags/list";
  for (int i = 0; i < 2; ++i) (void)site.get(list);
  EXPECT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(site.proxy->cache_stats(), CacheStats()) << "only requests that the matcher takes count";
}

TEST_F(CacheTest, HeadIsAnsweredFromAStoredGet) {
  site.start();
  const auto got = site.head(store_blob("some bytes"));
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.field("Content-Length"), "10");
  EXPECT_TRUE(got.is_hit());
  EXPECT_EQ(registry.requests().size(), 1U);
  registry.push_blob("acme/m", "other");
  EXPECT_EQ(site.head(url("other")).status, 200);
  EXPECT_EQ(registry.requests().back().method, "HEAD") << "a HEAD fetches nothing";
}

TEST_F(CacheTest, ARangeIsCutFromWhatIsStored) {
  site.start();
  const auto address = store_blob(noise(100'000));
  struct Case {
    std::string asked;
    int status;
    std::string range;
    std::string body;
  };
  const auto bytes = noise(100'000);
  const std::vector<Case> cases{
      {"bytes=10-19", 206, "bytes 10-19/100000", bytes.substr(10, 10)},
      {"bytes=50000-", 206, "bytes 50000-99999/100000", bytes.substr(50'000)},
      {"bytes=-5", 206, "bytes 99995-99999/100000", bytes.substr(99'995)},
      {"bytes=100000-", 416, "bytes */100000", ""},
      {"bytes=0-99999,5-6", 200, "", bytes},
  };
  for (const auto& one : cases) {
    const auto got = site.get(address, "Range: " + one.asked + "\r\n");
    EXPECT_EQ(got.status, one.status) << one.asked;
    EXPECT_EQ(got.field("Content-Range").value_or(""), one.range);
    EXPECT_TRUE(got.body == one.body) << one.asked;
    EXPECT_TRUE(got.is_hit());
  }
  EXPECT_EQ(registry.requests().size(), 1U);
}

// Existing proxies stored the part, and served it as the whole.
TEST_F(CacheTest, ARangeThatIsNotThereIsPassedOnAndNotStored) {
  site.start();
  registry.push_blob("acme/m", "0123456789");
  const auto part = site.get(url("0123456789"), "Range: bytes=4-9\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "456789");
  const auto whole = site.get(url("0123456789"));
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, "0123456789");
  EXPECT_EQ(registry.requests().size(), 2U);
}

TEST_F(CacheTest, EntriesAreStillThereAfterARestart) {
  site.start();
  const auto address = store_blob(noise(50'000));
  site.stop();
  site.start();
  EXPECT_EQ(site.proxy->cache_stats().current_size, 50'000U);
  const auto got = site.get(address);
  EXPECT_TRUE(got.is_hit());
  EXPECT_TRUE(got.body == noise(50'000));
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(CacheTest, ClearingForgetsEntriesAndCounts) {
  site.start();
  const auto address = store_blob("bytes");
  EXPECT_TRUE(site.get(address).is_hit());
  ASSERT_TRUE(site.proxy->clear_cache());
  EXPECT_EQ(site.proxy->cache_stats(), CacheStats());
  EXPECT_FALSE(site.get(address).is_hit());
  EXPECT_EQ(registry.requests().size(), 2U);
}

TEST_F(CacheTest, ADisabledCacheKeepsNothing) {
  site.settings.cache.is_enabled = false;
  site.start();
  registry.push_blob("acme/m", "bytes");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(site.get(url("bytes")).body, "bytes");
  EXPECT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(site.proxy->clear_cache().error().detail, "cache disabled");
}

TEST_F(CacheTest, WhatOurOwnHeaderRulesGaveAccessToIsNotForWhoeverHasNone) {
  support::FakeRegistry closed({.auth = support::FakeAuth::basic, .username = "alice", .password = "secret"});
  closed.push_blob("acme/m", "private");
  site.settings.rules.headers = {{.pattern = "127.0.0.1",
                                  .conditions = {},
                                  .set = {{.name = "Authorization", .value = Secret("Basic YWxpY2U6c2VjcmV0")}},
                                  .append = {}}};
  site.start();
  const auto address = "http://" + closed.host() + path("private");
  EXPECT_EQ(site.get(address).body, "private");
  ASSERT_TRUE(site.has_stored(1));
  site.proxy->apply(config::RuntimeRules());
  EXPECT_EQ(site.get(address).status, 401);
  EXPECT_EQ(site.store->status().blobs, 1U) << "which was not for him";
}

TEST_F(CacheTest, WhatAnybodyMayHaveIsServedToCallersWithCredentialsToo) {
  site.start();
  const auto address = store_blob("public");
  EXPECT_TRUE(site.get(address, "Authorization: Bearer x\r\n").is_hit());
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(CacheTest, AnotherHostHasToGiveTheSameBytesItself) {
  site.start();
  store_blob("shared by digest");
  EXPECT_FALSE(site.get(url("shared by digest", "localhost")).is_hit());
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(site.store->status().blobs, 1U) << "one copy of the bytes";
  EXPECT_EQ(site.proxy->cache_stats().current_size, 16U) << "counted once";
  EXPECT_TRUE(site.get(url("shared by digest", "localhost")).is_hit());
}

TEST_F(CacheTest, ASignedAddressAnswersOnlyWhoHasTheSameOne) {
  site.start();
  registry.push_blob("acme/m", "signed");
  const auto address = url("signed");
  EXPECT_EQ(site.get(address + "?expires=1&signature=abc").body, "signed");
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_FALSE(site.get(address + "?expires=1&signature=abd").is_hit());
  EXPECT_FALSE(site.get(address + "?unheard-of=1").is_hit());
  EXPECT_FALSE(site.get(address).is_hit());
  EXPECT_TRUE(site.get(address + "?expires=1&signature=abc").is_hit());
  EXPECT_EQ(registry.requests().size(), 4U);
}

TEST_F(CacheTest, NoHeaderRuleIsAskedForAHit) {
  site.start();
  const auto address = store_blob("bytes");
  site.proxy->apply({.allowlist = {},
                     .headers = {{.pattern = "*",
                                  .conditions = {},
                                  .set = {{.name = "Authorization", .value = Secret("Bearer top")}},
                                  .append = {}}}});
  EXPECT_TRUE(site.get(address).is_hit());
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(CacheTest, WhatIsForbiddenIsNotServedFromTheStoreEither) {
  site.start();
  const auto address = store_blob("bytes");
  site.proxy->apply({.allowlist = {.is_enabled = true, .domains = {}, .ips = {}}, .headers = {}});
  EXPECT_EQ(site.get(address).status, 403);
}

TEST_F(CacheTest, FailuresAreNotKept) {
  site.start();
  registry.push_blob("acme/m", "bytes");
  for (const int status : {404, 500, 429, 301}) {
    registry.inject("/blobs/", {.kind = FaultKind::status, .status = status, .times = 1});
    EXPECT_EQ(site.get(url("bytes")).status, status);
  }
  EXPECT_EQ(site.get(url("bytes")).body, "bytes");
  EXPECT_EQ(registry.requests().size(), 5U);
}

TEST_F(CacheTest, AByteThatFlippedAtRestIsFetchedAnew) {
  site.start();
  const std::string bytes = noise(40'000);
  const auto address = store_blob(bytes);
  {
    std::fstream file(directory / ("cache/blobs/sha256/" + base::sha256(bytes).to_string().substr(7)),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20'000);
    file.put(static_cast<char>(bytes[20'000] ^ 1));
  }
  const auto got = site.get(address);
  EXPECT_TRUE(got.body == bytes);
  EXPECT_FALSE(got.is_hit());
  EXPECT_EQ(registry.requests().size(), 2U);
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_TRUE(site.get(address).is_hit());
}

TEST_F(CacheTest, AHitIsSentByTheKernel) {
  site.start();
  const auto address = store_blob(noise(8'000'000));
  const auto before = bytes_written();
  if (before == 0) GTEST_SKIP() << "this kernel does not count what a process writes";
  EXPECT_TRUE(site.get(address).is_hit());
  EXPECT_GE(bytes_written() - before, 8'000'000U) << "copied through user space";
}

}  // namespace
}  // namespace propeller::forward
