// What is being fetched: one download for everybody, and what becomes of it when somebody goes or lies.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "forward/cache_fill.hpp"
#include "forward/cache_fixture.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using http::PeerListener;
using support::FaultKind;

/// An upstream whose answers the test writes itself.
class ScriptedCacheTest : public CacheTest {
 protected:
  [[nodiscard]] std::string scripted_url(const std::string& bytes) const {
    return "http://127.0.0.1:" + std::to_string(upstream.port()) + path(bytes);
  }
  static std::string whole_head(std::size_t size, const std::string& etag) {
    return fmt::format("HTTP/1.1 200 OK\r\nETag: {}\r\nContent-Length: {}\r\n\r\n", etag, size);
  }
  static std::string part_head(std::size_t first, std::size_t size, const std::string& etag) {
    return fmt::format(
        "HTTP/1.1 206 Partial Content\r\nETag: {}\r\nContent-Range: bytes {}-{}/{}\r\nContent-Length: {}\r\n\r\n", etag,
        first, size - 1, size, size - first);
  }
  /// A client asks, the upstream sends `sent` bytes of `bytes` and breaks the connection.
  Peer break_off(const std::string& bytes, std::size_t sent) {
    auto client = site.ask(scripted_url(bytes));
    auto first = upstream.accept();
    first.read_head();
    first.send(whole_head(bytes.size(), "\"one\""));
    first.send(std::string_view(bytes).substr(0, sent));
    first.end_sending();
    first.close();
    return client;
  }
  [[nodiscard]] bool is_nothing_kept() {
    return support::wait_until([&] { return site.store->status().flights == 0; }) && site.store->status().blobs == 0 &&
           site.proxy->cache_stats().stores == 0;
  }

  PeerListener upstream;
};

TEST_F(ScriptedCacheTest, FiftyClientsCauseOneRequestAndStreamAlong) {
  site.start();
  const std::string bytes = noise(400'000);
  std::vector<Peer> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(site.ask(scripted_url(bytes)));
  auto answerer = upstream.accept();
  answerer.read_head();
  answerer.send(whole_head(bytes.size(), "\"one\""));
  answerer.send(std::string_view(bytes).substr(0, 200'000));
  for (auto& client : clients) {
    EXPECT_TRUE(client.read_head().starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(client.read(150'000) == bytes.substr(0, 150'000)) << "the first bytes had to wait for the last";
  }
  answerer.send(std::string_view(bytes).substr(200'000));
  for (auto& client : clients) EXPECT_TRUE(client.read(250'000) == bytes.substr(150'000));
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_EQ(site.proxy->cache_stats().misses, 50U);
  EXPECT_TRUE(site.get(scripted_url(bytes)).is_hit());
  EXPECT_TRUE(upstream.is_silent(0)) << "asked more than once";
}

TEST_F(CacheTest, TheDownloadGoesOnWhenTheFirstClientLeaves) {
  site.start();
  const std::string bytes = noise(300'000);
  registry.push_blob("acme/m", bytes);
  registry.inject("/blobs/", {.kind = FaultKind::trickle, .bytes = 10'000, .pause = 10ms});
  auto first = site.ask(url(bytes));
  first.read_head();
  auto second = site.ask(url(bytes));
  first.reset();
  EXPECT_TRUE(read_reply(second).body == bytes);
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(CacheTest, TheDownloadGoesOnWhenNobodyIsLeft) {
  site.start();
  const std::string bytes = noise(300'000);
  registry.push_blob("acme/m", bytes);
  registry.inject("/blobs/", {.kind = FaultKind::trickle, .bytes = 10'000, .pause = 5ms});
  auto only = site.ask(url(bytes));
  only.read_head();
  only.reset();
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(site.get(url(bytes)).is_hit());
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(CacheTest, HeadAndRangesOfWhatIsThereRideAlong) {
  site.start();
  const std::string bytes = noise(4'000'000);
  registry.push_blob("acme/m", bytes);
  registry.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 100'000, .times = 1});
  auto first = site.ask(url(bytes));
  first.read_head();
  first.read(99'000);
  EXPECT_EQ(site.head(url(bytes)).announced(), bytes.size());
  const auto part = site.get(url(bytes), "Range: bytes=50000-50999\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.field("Content-Range"), "bytes 50000-50999/4000000");
  EXPECT_TRUE(part.body == bytes.substr(50'000, 1000));
  EXPECT_EQ(registry.requests().size(), 1U);
  const auto far = site.get(url(bytes), "Range: bytes=3999990-\r\n");
  EXPECT_TRUE(far.body == bytes.substr(3'999'990)) << "does not wait for what comes before";
  EXPECT_EQ(registry.requests().size(), 2U);
}

TEST_F(CacheTest, EverybodyIsToldTheSameFailure) {
  site.settings.proxy.timeouts.first_byte = 2s;
  site.start();
  registry.push_blob("acme/m", "bytes");
  registry.inject("/blobs/", {.kind = FaultKind::hang});
  std::vector<Peer> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(site.ask(url("bytes")));
  for (auto& client : clients) EXPECT_EQ(read_reply(client).status, 504);
  EXPECT_EQ(registry.requests().size(), 1U);
}

TEST_F(CacheTest, WhoWaitsForWhatIsNotForSharingAsksForItself) {
  site.start();
  registry.inject("/blobs/", {.kind = FaultKind::status, .status = 404});
  std::vector<Peer> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(site.ask(url("not there")));
  for (auto& client : clients) EXPECT_EQ(read_reply(client).status, 404);
  EXPECT_TRUE(support::wait_until([&] { return site.store->status().flights == 0; }));
}

TEST_F(ScriptedCacheTest, ABrokenDownloadIsResumedWithAClosedRangeAndTheSameValidator) {
  site.start();
  const std::string bytes = noise(200'000);
  auto client = break_off(bytes, 50'000);
  auto second = upstream.accept();
  const auto asked = second.read_head();
  EXPECT_TRUE(asked.contains("Range: bytes=50000-199999\r\n")) << asked;
  EXPECT_TRUE(asked.contains("If-Range: \"one\"\r\n")) << asked;
  second.send(part_head(50'000, bytes.size(), "\"one\""));
  second.send(std::string_view(bytes).substr(50'000));
  EXPECT_TRUE(read_reply(client).body == bytes);
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(site.get(scripted_url(bytes)).is_hit());
}

TEST_F(ScriptedCacheTest, OfAnUpstreamThatSendsTheWholeAgainWhatIsThereIsSkipped) {
  site.start();
  const std::string bytes = noise(200'000);
  auto client = break_off(bytes, 50'000);
  auto second = upstream.accept();
  second.read_head();
  second.send(whole_head(bytes.size(), "\"one\""));
  second.send(bytes);
  EXPECT_TRUE(read_reply(client).body == bytes);
  EXPECT_TRUE(site.has_stored(1));
}

TEST_F(ScriptedCacheTest, WhatDoesNotFitIsNotGoneOnWith) {
  site.settings.threads = 1;
  site.start();
  const std::vector<std::string> answers{
      part_head(50'000, 200'000, "\"two\""),
      part_head(49'999, 200'000, "\"one\""),
      whole_head(200'000, "\"two\""),
      "HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\nContent-Length: 150000\r\n\r\n",
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
  };
  std::uint32_t seed = 0;
  for (const auto& answer : answers) {
    const std::string bytes = noise(200'000, ++seed);
    auto client = break_off(bytes, 50'000);
    auto second = upstream.accept();
    second.read_head();
    second.send(answer);
    if (answer.contains(" 20")) second.send(std::string_view(bytes).substr(50'000));
    EXPECT_FALSE(read_reply(client).is_whole()) << answer;
    EXPECT_TRUE(is_nothing_kept()) << answer;
    EXPECT_EQ(site.proxy->cache_stats().errors, seed);
  }
}

TEST_F(ScriptedCacheTest, WithoutADigestOrAStrongValidatorNothingIsResumed) {
  site.settings.cache.patterns = {"\\.tgz$"};
  site.start();
  auto client = site.ask("http://127.0.0.1:" + std::to_string(upstream.port()) + "/a.tgz");
  auto first = upstream.accept();
  first.read_head();
  first.send(whole_head(1000, "W/\"one\""));
  first.send("begun");
  first.close();
  EXPECT_FALSE(read_reply(client).is_whole());
  EXPECT_TRUE(is_nothing_kept());
  EXPECT_TRUE(upstream.is_silent(200));
}

TEST_F(ScriptedCacheTest, WhatEndsWithItsConnectionIsKeptOnlyByDigest) {
  site.settings.cache.patterns = {"\\.tgz$", "/blobs/"};
  site.start();
  for (const auto& [path, is_kept] : {std::pair<std::string, bool>{"/a.tgz", false}, {path("bytes"), true}}) {
    auto client = site.ask("http://127.0.0.1:" + std::to_string(upstream.port()) + path);
    auto answerer = upstream.accept();
    answerer.read_head();
    answerer.send("HTTP/1.1 200 OK\r\n\r\nbytes");
    answerer.close();
    EXPECT_TRUE(client.read_until("0\r\n\r\n").ends_with("\r\n0\r\n\r\n")) << path;
    EXPECT_TRUE(support::wait_until([&] { return site.store->status().flights == 0; }));
    EXPECT_EQ(site.store->status().entries, is_kept ? 1U : 0U) << path;
  }
}

TEST_F(ScriptedCacheTest, WhatWasForOneClientOrOneConnectionIsNotKept) {
  site.start();
  auto client = site.ask(scripted_url("bytes"));
  auto answerer = upstream.accept();
  answerer.read_head();
  answerer.send(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: id=1\r\nConnection: X-Hop, keep-alive\r\nX-Hop: a\r\n"
      "Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Status: other\r\nX-Kept: yes\r\nAge: "
      "100\r\n\r\nbytes");
  EXPECT_EQ(read_reply(client).field("Set-Cookie"), "id=1");
  ASSERT_TRUE(site.has_stored(1));
  const auto hit = site.get(scripted_url("bytes"));
  EXPECT_EQ(hit.body, "bytes");
  EXPECT_EQ(hit.field("X-Kept"), "yes");
  EXPECT_GE(std::stoi(hit.field("Age").value_or("0")), 100);
  for (const auto* gone : {"Set-Cookie", "X-Hop", "Keep-Alive", "Proxy-Authenticate", "Proxy-Status", "Connection"})
    EXPECT_FALSE(hit.field(gone)) << gone;
}

TEST_F(ScriptedCacheTest, ConditionsAreAnsweredByTheStoredETag) {
  site.start();
  auto client = site.ask(scripted_url("0123456789"));
  auto answerer = upstream.accept();
  answerer.read_head();
  answerer.send(whole_head(10, "\"one\"") + "0123456789");
  EXPECT_TRUE(read_reply(client).is_whole());
  ASSERT_TRUE(site.has_stored(1));
  const auto ask = [&](const std::string& fields) { return site.get(scripted_url("0123456789"), fields); };
  EXPECT_EQ(ask("If-None-Match: \"x\", W/\"one\"\r\n").status, 304);
  EXPECT_EQ(ask("If-None-Match: \"x\"\r\n").status, 200);
  EXPECT_EQ(ask("Range: bytes=0-1\r\nIf-Range: \"one\"\r\n").body, "01");
  EXPECT_EQ(ask("Range: bytes=0-1\r\nIf-Range: \"x\"\r\n").body, "0123456789");
  EXPECT_TRUE(upstream.is_silent(0));
}

TEST_F(CacheTest, AWrongDigestBreaksTheClientAndIsNotKept) {
  site.start();
  const std::string bytes = noise(100'000);
  registry.push_blob("acme/m", bytes);
  registry.inject("/blobs/", {.kind = FaultKind::wrong_bytes, .times = 1});
  EXPECT_FALSE(site.get(url(bytes)).is_whole());
  EXPECT_EQ(site.store->status().blobs, 0U);
  EXPECT_TRUE(support::wait_until([&] { return site.proxy->cache_stats().errors == 1; }));
  const auto again = site.get(url(bytes));
  EXPECT_TRUE(again.body == bytes);
  EXPECT_FALSE(again.is_hit());
}

TEST_F(CacheTest, AnUpstreamThatLiesAboutTheLengthIsNotBelieved) {
  site.start();
  const std::string bytes = noise(100'000);
  registry.push_blob("acme/m", bytes);
  for (const auto kind : {FaultKind::long_length, FaultKind::short_length}) {
    registry.inject("/blobs/", {.kind = kind, .bytes = 10});
    EXPECT_FALSE(site.get(url(bytes)).is_whole());
    EXPECT_TRUE(site.is_idle());
    registry.clear_faults();
  }
  EXPECT_EQ(site.store->status().blobs, 0U);
  EXPECT_TRUE(site.get(url(bytes)).body == bytes);
}

TEST_F(CacheTest, ADownloadThatHangsIsResumedAndGivenUpInTheEnd) {
  site.settings.proxy.timeouts.read = 500ms;
  site.start();
  const std::string bytes = noise(100'000);
  registry.push_blob("acme/m", bytes);
  registry.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 30'000, .times = 1});
  EXPECT_TRUE(site.get(url(bytes)).body == bytes);
  EXPECT_EQ(registry.requests().back().field("range"), "bytes=30000-99999");
  ASSERT_TRUE(site.has_stored(1));
  ASSERT_TRUE(site.proxy->clear_cache());
  const auto before = registry.requests().size();
  registry.inject("/blobs/", {.kind = FaultKind::hang_after, .bytes = 0});
  EXPECT_FALSE(site.get(url(bytes)).is_whole());
  EXPECT_EQ(registry.requests().size() - before, 1U + CacheFills::kStallsMax);
}

TEST_F(CacheTest, AnUpstreamThatBreaksAgainAndAgainIsGivenUp) {
  site.start();
  const std::string bytes = noise(100'000);
  registry.push_blob("acme/m", bytes);
  registry.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 1'000});
  EXPECT_FALSE(site.get(url(bytes)).is_whole());
  EXPECT_EQ(registry.requests().size(), 1U + CacheFills::kResumesMax);
}

// The test begins a download in the same store, as another plane or core would, and dies.
TEST_F(ScriptedCacheTest, AReaderTakesOverFromAWriterThatDies) {
  site.start();
  const std::string bytes = noise(100'000);
  boost::asio::io_context here(1);
  const auto run = [&](auto task) {
    auto done = boost::asio::co_spawn(here, std::move(task), boost::asio::use_future);
    here.restart();
    here.run();
    return done.get();
  };
  auto joined = run(site.store->join({.key = scripted_url(bytes), .digest = base::sha256(bytes)}));
  ASSERT_TRUE(joined && joined->writer);
  joined->reader.reset();
  ASSERT_TRUE(run(joined->writer->begin({.header_text = "A: b\r\n", .length = bytes.size(), .validator = "\"one\""})));
  ASSERT_TRUE(run(joined->writer->write(std::string_view(bytes).substr(0, 40'000))));
  auto client = site.ask(scripted_url(bytes));
  EXPECT_TRUE(client.read_head().contains("A: b\r\n"));
  EXPECT_TRUE(client.read(30'000) == bytes.substr(0, 30'000));
  joined->writer.reset();
  auto second = upstream.accept();
  EXPECT_TRUE(second.read_head().contains("Range: bytes=40000-99999\r\n"));
  second.send(part_head(40'000, bytes.size(), "\"one\""));
  second.send(std::string_view(bytes).substr(40'000));
  EXPECT_TRUE(client.read(70'000) == bytes.substr(30'000));
  EXPECT_TRUE(site.has_stored(1));
}

TEST_F(CacheTest, WhatIsTooLargeStreamsAndIsNotKept) {
  site.options.object_bytes_max = 100'000;
  site.start();
  const std::string bytes = noise(3'000'000);
  registry.push_blob("acme/m", bytes);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(site.get(url(bytes)).body == bytes && site.is_idle());
  EXPECT_EQ(registry.requests().size(), 2U);
  EXPECT_EQ(site.proxy->cache_stats().stores, 0U);
}

TEST_F(CacheTest, OldOnesMakeRoomAndAreCounted) {
  site.options.size_bytes_max = 100'000;
  site.start();
  for (std::uint32_t seed = 1; seed <= 3; ++seed) store_blob(noise(40'000, seed));
  EXPECT_EQ(site.proxy->cache_stats().evictions, 1U);
  EXPECT_FALSE(site.get(url(noise(40'000, 1))).is_hit());
}

// A reader that does not keep up with what cannot be kept is sent away, and fetches the rest for itself.
TEST_F(CacheTest, AReaderThatIsTooSlowForWhatIsNotKeptStillGetsTheWhole) {
  site.options.object_bytes_max = 100'000;
  site.options.stall_max = 100ms;
  site.start();
  const std::string bytes = noise(24'000'000);
  registry.push_blob("acme/m", bytes);
  auto slow = site.ask(url(bytes));
  slow.read_head();
  auto fast = site.ask(url(bytes));
  EXPECT_TRUE(read_reply(fast).body == bytes);
  EXPECT_TRUE(slow.read(bytes.size()) == bytes);
  EXPECT_GE(registry.requests().size(), 2U);
}

}  // namespace
}  // namespace propeller::forward
