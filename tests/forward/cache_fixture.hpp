#pragma once

#include <gtest/gtest.h>

#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "config/site_file.hpp"
#include "forward/proxy.hpp"
#include "http/peer.hpp"
#include "http/syntax.hpp"
#include "observe/metrics.hpp"
#include "store/content_store.hpp"
#include "support/fake_registry.hpp"
#include "support/subprocess.hpp"
#include "support/tls_files.hpp"

namespace propeller::forward {

using http::Peer;

/// A response as it came over a socket.
struct Reply {
  int status = 0;
  std::string head;
  std::string body;

  [[nodiscard]] std::optional<std::string> field(std::string_view name) const {
    std::string_view rest = head;
    while (!rest.empty()) {
      const auto end = std::min(rest.find("\r\n"), rest.size());
      const auto line = rest.substr(0, end);
      const auto colon = std::min(line.find(':'), line.size());
      if (http::equals_ignoring_case(line.substr(0, colon), name))
        return std::string(http::trim(line.substr(std::min(colon + 1, line.size()))));
      rest.remove_prefix(std::min(end + 2, rest.size()));
    }
    return std::nullopt;
  }
  [[nodiscard]] std::size_t announced() const { return std::stoul(field("Content-Length").value_or("0")); }
  [[nodiscard]] bool is_whole() const { return status != 0 && body.size() == announced(); }
  [[nodiscard]] bool is_hit() const { return field("X-Cache") == "HIT"; }
};

inline Reply read_reply(Peer& peer, bool has_body = true) {
  Reply reply;
  reply.head = peer.read_head();
  if (reply.head.size() > 12) reply.status = std::stoi(reply.head.substr(9, 3));
  if (has_body && reply.status != 304) reply.body = peer.read(reply.announced());
  return reply;
}

/// Bytes that no compression or repetition makes look right by chance.
inline std::string noise(std::size_t size, std::uint32_t seed = 1) {
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return text;
}

/// A proxy with a content store, as the application puts them together.
class CacheSite {
 public:
  explicit CacheSite(std::filesystem::path directory) : directory_(std::move(directory)) {
    settings.threads = 2;
    settings.proxy.listen = {{.address = "127.0.0.1", .port = 0}};
    settings.proxy.allow_targets = {"127.0.0.0/8", "::1/128"};
    settings.tls.cert_dir = directory_ / "certs";
    settings.cache.is_enabled = true;
    settings.cache.patterns = config::registry_patterns();
    options.directory = directory_ / "cache";
    options.free_bytes_min = 0;
    options.size_bytes_max = 256 * base::kMiB;
    options.policy = store::PolicyKind::lru;
  }
  ~CacheSite() {
    stop();
    pool_.join();
  }
  CacheSite(const CacheSite&) = delete;
  CacheSite& operator=(const CacheSite&) = delete;

  void start() {
    store.emplace(options, pool_, probe);
    const auto opened = store->open();
    ASSERT_TRUE(opened) << opened.error().detail;
    proxy.emplace(settings, &*store);
    const auto started = proxy->start();
    ASSERT_TRUE(started) << started.error().detail;
  }
  void stop() {
    proxy.reset();
    store.reset();
  }
  [[nodiscard]] std::uint16_t port() const { return proxy->addresses().at(0).port(); }
  /// From the next start on. `outer` runs.
  void go_through(const CacheSite& outer) {
    settings.proxy.upstream =
        config::UpstreamProxy{.scheme = config::UpstreamScheme::http, .host = "127.0.0.1", .port = outer.port()};
  }

  [[nodiscard]] boost::asio::thread_pool& pool() { return pool_; }

  /// Over a connection of its own, for plain http. `fields` are whole lines.
  [[nodiscard]] Peer ask(const std::string& url, const std::string& fields = {},
                         const std::string& method = "GET") const {
    const auto authority = url.substr(7, url.find('/', 7) - 7);
    auto peer = Peer::connect(port());
    peer.send(method + " " + url + " HTTP/1.1\r\nHost: " + authority + "\r\n" + fields + "\r\n");
    return peer;
  }
  [[nodiscard]] Reply get(const std::string& url, const std::string& fields = {}) const {
    auto peer = ask(url, fields);
    return read_reply(peer);
  }
  [[nodiscard]] Reply head(const std::string& url) const {
    auto peer = ask(url, {}, "HEAD");
    return read_reply(peer, false);
  }
  /// The entry of a download is there a moment after its clients have the last byte.
  [[nodiscard]] bool has_stored(std::uint64_t count) const {
    return support::wait_until([&] { return proxy->cache_stats().stores == count; });
  }

  /// Downloads have ended; until then the next one who asks joins them.
  [[nodiscard]] bool is_idle() const {
    return support::wait_until([&] { return store->status().flights == 0; });
  }

  config::Forward settings;
  store::StoreOptions options;
  observe::Metrics metrics;
  store::Probe probe{metrics};
  std::optional<store::ContentStore> store;
  std::optional<Proxy> proxy;

 private:
  std::filesystem::path directory_;
  boost::asio::thread_pool pool_{2};
};

class CacheTest : public testing::Test {
 protected:
  std::string url(std::string_view bytes, const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(registry.port()) + path(bytes);
  }
  static std::string path(std::string_view bytes) { return "/v2/acme/m/blobs/" + base::sha256(bytes).to_string(); }
  /// Puts `bytes` into the registry and, through the proxy, into the store.
  std::string store_blob(const std::string& bytes) {
    registry.push_blob("acme/m", bytes);
    const auto stores = site.proxy->cache_stats().stores;
    EXPECT_EQ(site.get(url(bytes)).body, bytes);
    EXPECT_TRUE(site.has_stored(stores + 1));
    return url(bytes);
  }

  support::TempDir directory;
  support::FakeRegistry registry;
  CacheSite site{directory.path()};
};

}  // namespace propeller::forward
