// Text that is kept compressed, through the proxy's port.
#include <gmock/gmock.h>
#include <zstd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fstream>

#include "forward/cache_fixture.hpp"
#include "forward/compressed_text.hpp"
#include "forward/scripted_origin.hpp"
#include "support/wasm_module.hpp"

namespace propeller::forward {
namespace {

using compressed_text::kFrameBytes;
using support::SeenRequest;
using testing::AllOf;
using testing::HasSubstr;

const std::string kText = "Cache-Control: max-age=60\r\nContent-Type: text/plain; charset=utf-8\r\nETag: \"1\"\r\n";

/// `size` bytes, no two lines of which are alike.
std::string lines(std::size_t size) {
  std::string text;
  for (int line = 0; text.size() < size; ++line) text += "this is line " + std::to_string(line) + "\n";
  text.resize(size);
  return text;
}

class CacheCompression : public testing::Test {
 protected:
  CacheCompression() {
    site.settings.cache.is_text_compressed = true;
    site.start();
  }

  void keep(const std::string& url, const std::string& body) {
    const auto stores = site.proxy->cache_stats().stores;
    EXPECT_EQ(site.get(url).body, body);
    EXPECT_TRUE(site.has_stored(stores + 1)) << url;
  }
  /// When everything is done.
  [[nodiscard]] bool has_bytes(std::uint64_t count) const {
    return support::wait_until([&] { return site.store->status().bytes == count; });
  }
  [[nodiscard]] bool is_compressed(std::size_t size) const {
    return support::wait_until([&] { return site.is_idle() && site.store->status().bytes < size / 2; });
  }
  [[nodiscard]] std::string part(const std::string& url, std::size_t first, std::size_t last) const {
    const auto reply = site.get(url, "Range: bytes=" + std::to_string(first) + "-" + std::to_string(last) + "\r\n");
    EXPECT_EQ(reply.status, 206);
    EXPECT_TRUE(reply.is_hit());
    return reply.body;
  }

  support::TempDir directory;
  CacheSite site{directory.path()};
};

TEST_F(CacheCompression, TextTakesLessRoomAndComesBackAsItWas) {
  std::size_t kept = 0;
  for (const std::size_t size : {compressed_text::kTextBytesMin, kFrameBytes, kFrameBytes + 1, 5 * kFrameBytes - 1}) {
    const auto text = lines(size);
    ScriptedOrigin origin([&](const SeenRequest&) { return scripted(200, kText, text); });
    keep(origin.url(), text);
    EXPECT_TRUE(is_compressed(size)) << size;
    const auto again = site.get(origin.url());
    EXPECT_TRUE(again.is_hit());
    EXPECT_EQ(again.body, text) << size;
    EXPECT_EQ(again.field("Content-Length"), std::to_string(size));
    EXPECT_FALSE(again.field("Content-Encoding"));
    EXPECT_EQ(site.head(origin.url()).field("Content-Length"), std::to_string(size));
    EXPECT_EQ(origin.request_count(), 1U);
    EXPECT_EQ(site.store->status().blobs, ++kept) << "the text itself is there no more";
  }
}

TEST_F(CacheCompression, RangesBeginAndEndAnywhere) {
  const auto text = lines(3 * kFrameBytes + 100);
  ScriptedOrigin origin([&](const SeenRequest&) { return scripted(200, kText, text); });
  const auto url = origin.url();
  keep(url, text);
  ASSERT_TRUE(is_compressed(text.size()));
  for (const auto& [first, last] :
       std::vector<std::pair<std::size_t, std::size_t>>{{0, 0},
                                                        {kFrameBytes - 1, kFrameBytes},
                                                        {kFrameBytes, 2 * kFrameBytes - 1},
                                                        {2 * kFrameBytes + 7, 3 * kFrameBytes + 99},
                                                        {text.size() - 1, text.size() - 1}}) {
    EXPECT_EQ(part(url, first, last), text.substr(first, last - first + 1)) << first;
  }
  const auto several = site.get(url, "Range: bytes=3-7,-5\r\n");
  EXPECT_THAT(several.body, AllOf(HasSubstr("\r\n\r\n" + text.substr(3, 5) + "\r\n"),
                                  HasSubstr("\r\n\r\n" + text.substr(text.size() - 5) + "\r\n")));
  EXPECT_EQ(origin.request_count(), 1U);
}

TEST_F(CacheCompression, ACheckLeavesItCompressed) {
  const auto text = lines(100'000);
  ScriptedOrigin origin([&](const SeenRequest& request) {
    const auto is_known = request.field("if-none-match") == "\"1\"";
    return scripted(is_known ? 304 : 200, "Cache-Control: no-cache\r\nContent-Type: text/css\r\nETag: \"1\"\r\n",
                    is_known || request.method == "HEAD" ? "" : text);
  });
  keep(origin.url(), text);
  ASSERT_TRUE(is_compressed(text.size()));
  for (int i = 0; i < 2; ++i) {
    const auto reply = site.get(origin.url());
    EXPECT_EQ(reply.field("Cache-Status"), "propeller-proxy; fwd=stale; fwd-status=304");
    EXPECT_EQ(reply.body, text);
  }
  EXPECT_TRUE(is_compressed(text.size()));
}

TEST_F(CacheCompression, WhatWouldNotBecomeSmallerIsKeptAsItCame) {
  const auto noise = support::random_bytes(100'000, 1);
  const auto text = lines(100'000);
  const auto fields = [](const std::string& path) -> std::string {
    const std::string fresh = "Cache-Control: max-age=60\r\nContent-Type: ";
    if (path == "/binary") return fresh + "application/octet-stream\r\n";
    if (path == "/coded") return fresh + "text/plain\r\nContent-Encoding: gzip\r\n";
    return fresh + "text/plain\r\n";
  };
  ScriptedOrigin origin([&](const SeenRequest& request) {
    return scripted(200, fields(request.target), request.target == "/noise" ? noise : text);
  });
  std::uint64_t expected = 0;
  keep(origin.url("/noise"), noise);
  EXPECT_TRUE(has_bytes(expected += noise.size()));
  keep(origin.url("/binary"), text);
  EXPECT_TRUE(has_bytes(expected += text.size()));
  keep(origin.url("/coded"), text);
  EXPECT_TRUE(has_bytes(expected)) << "one copy per digest";
  for (const auto* path : {"/noise", "/binary", "/coded"}) {
    const auto again = site.get(origin.url(path));
    EXPECT_TRUE(again.is_hit());
    EXPECT_EQ(again.body, std::string(path) == "/noise" ? noise : text) << path;
  }
}

TEST_F(CacheCompression, WhatIsLargerThanItsBoundIsKeptAsItCame) {
  const auto text = lines(compressed_text::kTextBytesMax + 1);
  ScriptedOrigin origin([&](const SeenRequest&) { return scripted(200, kText, text); });
  keep(origin.url(), text);
  EXPECT_TRUE(has_bytes(text.size()));
}

// The same bytes under a URL that keeps them as they are stay.
TEST_F(CacheCompression, TextThatSomethingElseNamesStays) {
  const auto text = lines(100'000);
  ScriptedOrigin origin([&](const SeenRequest& request) {
    return scripted(200, request.target == "/b" ? "Cache-Control: max-age=60\r\n" : kText, text);
  });
  keep(origin.url("/b"), text);
  keep(origin.url("/a"), text);
  EXPECT_TRUE(support::wait_until([&] { return site.is_idle() && site.store->status().blobs == 2; }));
  for (const auto* path : {"/a", "/b"}) {
    const auto again = site.get(origin.url(path));
    EXPECT_TRUE(again.is_hit());
    EXPECT_EQ(again.body, text);
  }
  EXPECT_EQ(origin.request_count(), 2U);
}

TEST_F(CacheCompression, SwitchedOffItLeavesWhatIsThereReadable) {
  const auto text = lines(100'000);
  ScriptedOrigin origin([&](const SeenRequest&) { return scripted(200, kText, text); });
  keep(origin.url("/a"), text);
  ASSERT_TRUE(is_compressed(text.size()));
  site.settings.cache.is_text_compressed = false;
  ASSERT_TRUE(site.proxy->apply(site.settings));
  EXPECT_EQ(site.get(origin.url("/a")).body, text);
  const auto before = site.store->status().bytes;
  keep(origin.url("/b"), text);
  EXPECT_TRUE(has_bytes(before + text.size()));
}

TEST_F(CacheCompression, APatternThatMatchesLaterFetchesTheTextOnceMore) {
  const auto text = lines(100'000);
  ScriptedOrigin origin([&](const SeenRequest&) { return scripted(200, kText, text); });
  keep(origin.url("/a.json"), text);
  ASSERT_TRUE(is_compressed(text.size()));
  site.settings.cache.patterns = {"[.]json$"};
  ASSERT_TRUE(site.proxy->apply(site.settings));
  const auto reply = site.get(origin.url("/a.json"));
  EXPECT_FALSE(reply.is_hit());
  EXPECT_EQ(reply.body, text);
  EXPECT_TRUE(support::wait_until([&] { return site.get(origin.url("/a.json")).is_hit(); }));
  EXPECT_EQ(site.get(origin.url("/a.json")).body, text);
  EXPECT_EQ(site.head(origin.url("/a.json")).field("Content-Length"), std::to_string(text.size()));
  EXPECT_EQ(part(origin.url("/a.json"), 99'990, 99'999), text.substr(99'990));
}

TEST_F(CacheCompression, WhatIsPinnedStaysAsItIs) {
  const auto text = lines(100'000);
  ScriptedOrigin origin([&](const SeenRequest& request) {
    return scripted(200, request.target == "/a" ? "Cache-Control: max-age=60\r\n" : kText, text);
  });
  keep(origin.url("/a"), text);
  ASSERT_TRUE(
      boost::asio::co_spawn(site.pool(), site.store->pin_blob(base::sha256(text), true), boost::asio::use_future)
          .get());
  keep(origin.url("/b"), text);
  EXPECT_TRUE(has_bytes(text.size()));
  EXPECT_EQ(site.get(origin.url("/b")).body, text);
  EXPECT_EQ(site.store->status().blobs, 1U);
}

TEST_F(CacheCompression, EveryToolReadsIt) {
  const auto text = lines(200'000);
  ScriptedOrigin origin([&](const SeenRequest&) { return scripted(200, kText, text); });
  keep(origin.url(), text);
  ASSERT_TRUE(is_compressed(text.size()));
  const auto blobs = site.options.directory / "blobs" / "sha256";
  ASSERT_NE(std::filesystem::directory_iterator(blobs), std::filesystem::directory_iterator());
  std::ifstream file(std::filesystem::directory_iterator(blobs)->path(), std::ios::binary);
  const std::string frames(std::istreambuf_iterator<char>(file), {});
  std::string read(text.size() + 1, '\0');
  read.resize(ZSTD_decompress(read.data(), read.size(), frames.data(), frames.size()));
  EXPECT_EQ(read, text);
}

}  // namespace
}  // namespace propeller::forward
