// Ranges: out of what is whole, and out of parts, through the proxy's port.
#include <fmt/format.h>

#include <atomic>
#include <latch>

#include "forward/byte_range.hpp"
#include "forward/cache_fixture.hpp"
#include "forward/cached_parts.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using support::SeenRequest;

constexpr std::string_view kText = "0123456789abcdefghij";

/// Answers a Range as a file server does; `fields` go with it.
std::string served(const SeenRequest& request, const std::string& fields, std::string_view text = kText) {
  const auto range = request.field("range");
  const auto choice = choose_range(range, text.size());
  if (range.empty() || choice.kind != RangeChoice::Kind::part) return scripted(200, fields, std::string(text));
  return scripted(206, fields + "Content-Range: " + content_range(choice.range, text.size()) + "\r\n",
                  std::string(text.substr(choice.range.offset, choice.range.count)));
}

class CachePartsTest : public testing::Test {
 protected:
  CachePartsTest() { site.start(); }

  static std::string range(std::string_view text) { return fmt::format("Range: bytes={}\r\n", text); }
  /// Fetches what the next one shall find in the store.
  void keep(const std::string& url, const std::string& fields = {}) {
    const auto stores = site.proxy->cache_stats().stores;
    EXPECT_NE(site.get(url, fields).status, 0);
    EXPECT_TRUE(site.has_stored(stores + 1)) << url << fields;
  }

  support::TempDir directory;
  CacheSite site{directory.path()};
};

TEST_F(CachePartsTest, APartIsKeptAndSmallerOnesAreCutOutOfIt) {
  ScriptedOrigin origin([](const auto& request) { return served(request, "Cache-Control: max-age=60\r\n"); });
  keep(origin.url(), range("4-9"));
  const std::vector<std::pair<std::string, std::string>> cases{{"4-9", "456789"}, {"6-8", "678"}, {"9-9", "9"}};
  for (const auto& [asked, expected] : cases) {
    const auto reply = site.get(origin.url(), range(asked));
    EXPECT_EQ(reply.status, 206) << asked;
    EXPECT_EQ(reply.body, expected);
    EXPECT_TRUE(reply.is_hit()) << asked;
    EXPECT_EQ(reply.field("Content-Range"), "bytes " + asked + "/20");
    EXPECT_TRUE(reply.field("Cache-Status").value_or("").starts_with("propeller-proxy; hit; ttl="));
  }
  EXPECT_EQ(origin.request_count(), 1U);
  EXPECT_EQ(site.get(origin.url(), range("8-10")).body, "89a") << "more than is there";
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(CachePartsTest, PartsOfOneContentArePutTogether) {
  ScriptedOrigin origin(
      [](const auto& request) { return served(request, "Cache-Control: max-age=60\r\nETag: \"1\"\r\n"); });
  for (const auto* asked : {"0-4", "10-", "3-11"}) keep(origin.url(), range(asked));
  const auto reply = site.get(origin.url(), range("1-18"));
  EXPECT_EQ(reply.body, kText.substr(1, 18));
  EXPECT_EQ(reply.field("Content-Range"), "bytes 1-18/20");
  EXPECT_TRUE(reply.is_hit());
  EXPECT_EQ(site.get(origin.url(), range("-5")).body, kText.substr(15));
  EXPECT_EQ(site.get(origin.url(), range("2-") + "If-Range: \"1\"\r\n").status, 206);
  EXPECT_EQ(origin.request_count(), 3U);
  (void)site.get(origin.url(), range("2-") + "If-Range: \"2\"\r\n");
  EXPECT_EQ(origin.request_count(), 4U) << "of a content that is not this one";
}

TEST_F(CachePartsTest, PartsOfDifferentContentsAreNot) {
  std::atomic<int> version = 1;
  ScriptedOrigin origin([&](const auto& request) {
    const auto fields =
        "Cache-Control: max-age=60\r\n" + (version > 0 ? fmt::format("ETag: \"{}\"\r\n", +version) : "");
    return served(request, fields, version == 2 ? "ABCDEFGHIJKLMNOPQRST" : kText);
  });
  keep(origin.url(), range("0-4"));
  version = 2;
  keep(origin.url(), range("5-9"));
  keep(origin.url(), range("0-9"));
  EXPECT_EQ(site.get(origin.url(), range("0-9")).body, "ABCDEFGHIJ");
  EXPECT_EQ(origin.request_count(), 3U);
  version = 0;
  keep(origin.url("/b"), range("0-4"));
  keep(origin.url("/b"), range("5-9"));
  keep(origin.url("/b"), range("0-9"));
  EXPECT_EQ(origin.request_count(), 6U) << "nothing says that these are of one content";
}

TEST_F(CachePartsTest, APartThatIsNotWhatItSaysIsNotKept) {
  const std::vector<std::string> lies{"bytes 4-9/20", "bytes */20", "bytes 0-4/3", "bytes 0-4/*", "nonsense"};
  for (std::size_t i = 0; i < lies.size(); ++i) {
    ScriptedOrigin origin([&](const auto&) {
      return scripted(206, "Cache-Control: max-age=60\r\nContent-Range: " + lies[i] + "\r\n", "01234");
    });
    for (int n = 0; n < 2; ++n) EXPECT_EQ(site.get(origin.url(), range("0-4")).body, "01234");
    EXPECT_EQ(origin.request_count(), 2U) << lies[i];
  }
  ScriptedOrigin origin([&](const auto& request) { return served(request, "Cache-Control: no-store\r\n"); });
  for (int n = 0; n < 2; ++n) EXPECT_EQ(site.get(origin.url(), range("0-4")).body, "01234");
  EXPECT_EQ(origin.request_count(), 2U);
}

// Each range would bring the whole once more.
TEST_F(CachePartsTest, AWholeThatComesForAPartIsPassedOn) {
  ScriptedOrigin origin([](const auto&) { return scripted(200, "Cache-Control: max-age=60\r\n", std::string(kText)); });
  for (int n = 0; n < 2; ++n) EXPECT_EQ(site.get(origin.url(), range("0-4")).body, kText);
  EXPECT_EQ(origin.request_count(), 2U);
  keep(origin.url());
  EXPECT_EQ(site.get(origin.url(), range("5-6")).body, "56") << "asking for a part does not keep the whole out";
  EXPECT_EQ(origin.request_count(), 3U);
}

TEST_F(CachePartsTest, PartsGoWhenTheWholeIsAnotherContent) {
  std::atomic<int> version = 1;
  ScriptedOrigin origin([&](const auto& request) {
    if (version == 3) return scripted(410, "", "gone");
    const auto life = version == 2 ? "no-store" : "max-age=60";
    return served(request, fmt::format("Cache-Control: {}\r\nETag: \"{}\"\r\n", life, +version));
  });
  for (const int next : {2, 3}) {
    version = 1;
    keep(origin.url(), range("0-4"));
    EXPECT_TRUE(site.get(origin.url(), range("0-4")).is_hit());
    version = next;
    (void)site.get(origin.url());
    EXPECT_FALSE(site.get(origin.url(), range("0-4")).is_hit()) << next;
    version = 1;
    (void)site.get(origin.url(), "Cache-Control: no-store\r\n");
  }
}

TEST_F(CachePartsTest, WhatCanOnlyBeGuessedToBeFreshIsKeptWhileItIs) {
  ScriptedOrigin origin([](const auto& request) {
    const auto* modified = request.target == "/old" ? "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n" : "";
    return served(request, std::string("ETag: \"1\"\r\n") + modified);
  });
  keep(origin.url("/old"), range("0-4"));
  EXPECT_TRUE(site.get(origin.url("/old"), range("1-2")).is_hit());
  const auto stores = site.proxy->cache_stats().stores;
  for (int n = 0; n < 2; ++n) EXPECT_EQ(site.get(origin.url("/new"), range("0-4")).body, "01234");
  EXPECT_TRUE(site.is_idle());
  EXPECT_EQ(site.proxy->cache_stats().stores, stores) << "what is never fresh would answer nobody";
}

TEST_F(CachePartsTest, WhatSaysThatTheyStillHoldLeavesThemThere) {
  ScriptedOrigin origin([](const auto& request) {
    if (!request.field("if-none-match").empty()) return scripted(304, "ETag: \"1\"\r\n", "");
    return served(request, "Cache-Control: max-age=60\r\nETag: \"1\"\r\n");
  });
  keep(origin.url(), range("0-4"));
  EXPECT_EQ(site.get(origin.url(), "If-None-Match: \"1\"\r\n").status, 304);
  EXPECT_TRUE(site.get(origin.url(), range("0-4")).is_hit());
}

TEST_F(CachePartsTest, AWriteForgetsParts) {
  ScriptedOrigin origin([](const auto& request) {
    return request.method == "PUT" ? scripted(204, "", "") : served(request, "Cache-Control: max-age=60\r\n");
  });
  keep(origin.url(), range("0-4"));
  auto put = site.ask(origin.url(), "Content-Length: 0\r\n", "PUT");
  EXPECT_EQ(read_reply(put, false).status, 204);
  EXPECT_FALSE(site.get(origin.url(), range("0-4")).is_hit());
}

TEST_F(CachePartsTest, ManyWhoAskForOnePartShareADownload) {
  std::latch all_asked(1);
  ScriptedOrigin origin([&](const auto& request) {
    all_asked.wait();
    return served(request, "Cache-Control: max-age=60\r\n");
  });
  std::vector<Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(site.ask(origin.url(), range("0-4")));
  auto other = site.ask(origin.url(), range("5-9"));
  std::this_thread::sleep_for(100ms);
  all_asked.count_down();
  for (auto& peer : peers) EXPECT_EQ(read_reply(peer).body, "01234");
  EXPECT_EQ(read_reply(other).body, "56789");
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(CachePartsTest, TheNumberOfPartsIsBounded) {
  const std::string text = noise(CachedParts::kPartsMax + 8);
  ScriptedOrigin origin(
      [&](const auto& request) { return served(request, "Cache-Control: max-age=60\r\nETag: \"1\"\r\n", text); });
  for (std::size_t i = 0; i < CachedParts::kPartsMax + 4; ++i) keep(origin.url(), range(fmt::format("{}-{}", i, i)));
  std::size_t hits = 0;
  for (std::size_t i = 0; i < CachedParts::kPartsMax + 4; ++i) {
    auto fields = range(fmt::format("{}-{}", i, i)) + "Cache-Control: only-if-cached\r\n";
    hits += site.get(origin.url(), fields).status == 206 ? 1 : 0;
  }
  EXPECT_EQ(hits, CachedParts::kPartsMax);
}

TEST_F(CachePartsTest, SeveralRangesOfAWholeAreOneBody) {
  ScriptedOrigin origin([](const auto&) {
    return scripted(200, "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n", std::string(kText));
  });
  keep(origin.url());
  const auto reply = site.get(origin.url(), range("0-1, -3,5-5"));
  EXPECT_EQ(reply.status, 206);
  EXPECT_TRUE(reply.is_hit());
  EXPECT_TRUE(reply.is_whole());
  const auto type = reply.field("Content-Type").value_or("");
  const std::string kind = "multipart/byteranges; boundary=";
  ASSERT_TRUE(type.starts_with(kind)) << type;
  const auto line = "\r\n--" + type.substr(kind.size());
  const auto part = [&](const std::string& range, const std::string& bytes) {
    return line + "\r\nContent-Type: text/plain\r\nContent-Range: bytes " + range + "/20\r\n\r\n" + bytes;
  };
  EXPECT_EQ(reply.body, part("0-1", "01") + part("17-19", "hij") + part("5-5", "5") + line + "--\r\n");
  EXPECT_FALSE(reply.field("Content-Range"));
  EXPECT_EQ(site.get(origin.url(), range("0-1,50-60")).field("Content-Range"), "bytes 0-1/20") << "one is left";
  EXPECT_EQ(site.get(origin.url(), range("0-10,5-19")).status, 200) << "more than the whole";
  EXPECT_EQ(origin.request_count(), 1U);
}

}  // namespace
}  // namespace propeller::forward
