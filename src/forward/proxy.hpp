#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "async/core_pool.hpp"
#include "base/error.hpp"
#include "config/forward_settings.hpp"
#include "forward/cache_counters.hpp"
#include "forward/invalidations.hpp"
#include "forward/rate_limit.hpp"

namespace propeller::store {
class ContentStore;
}

namespace propeller::forward {

/// What the proxy has done since the start.
struct RequestFigures {
  std::uint64_t requests = 0, refused = 0, logins_refused = 0, failed = 0;
  std::uint64_t recorded = 0, recordings_lost = 0;
};

/// The forward proxy: HTTP, HTTPS through interception or untouched, on every core.
///
/// Errors:   start(): bad_config for files and addresses that cannot be used, io.
/// Threads:  the owner's; cache_stats() and clear_cache() any.
/// Lifetime: stop() before it goes, or the destructor does; `store`, which is open, outlives it.
class Proxy {
 public:
  /// Without a store nothing is kept. `other_ports` are what this process listens on besides.
  Proxy(config::Forward settings, store::ContentStore* store, std::vector<config::Endpoint> other_ports = {});
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  [[nodiscard]] Result<void> start();
  /// Requests in progress have `grace` to end.
  void stop(std::chrono::milliseconds grace);
  /// From the next request on: the rules, `users` (the file is read again), `allow_targets`, `proxy_protocol`,
  /// `passthrough`, `learn_passthrough`, `patterns` and `content_aware`. Errors: bad_config, the file of users; then
  /// nothing has changed. Blocks until every core has taken them. Threads: one at a time, as the other apply(), not a
  /// core; while the proxy runs.
  [[nodiscard]] Result<void> apply(const config::Forward& settings);
  /// Other rules from the next request on. Blocks likewise.
  void apply(const config::RuntimeRules& rules);

  /// After start(). Threads: any.
  [[nodiscard]] RequestFigures request_figures() const;
  [[nodiscard]] CacheStats cache_stats() const;
  /// What the cache did for each host: `on_new` hears of those that are there and of each new one, from any thread.
  void watch_hosts(FiguresByHost::OnNew on_new);
  /// What a registry of the mirror said last; nothing when it says nothing of the kind.
  [[nodiscard]] std::optional<RateLimit> rate_limit(std::string_view registry) const;
  /// Everything that is not pinned goes, and the counts begin again. Blocks.
  /// Errors: "cache disabled" when there is none; those of the store.
  [[nodiscard]] Result<void> clear_cache();

  /// Of clients, open now. Threads: any.
  [[nodiscard]] std::size_t connections() const;
  /// Where it listens, with the ports it got.
  [[nodiscard]] const std::vector<boost::asio::ip::tcp::endpoint>& addresses() const { return addresses_; }

 private:
  struct Parts;
  [[nodiscard]] Result<void> prepare();
  void watch_evictions();
  [[nodiscard]] Result<void> listen();

  config::Forward settings_;
  store::ContentStore* const store_;
  const std::vector<config::Endpoint> other_ports_;
  CacheCounters cache_counters_;
  Invalidations invalidations_;
  std::unique_ptr<Parts> parts_;
  std::vector<boost::asio::ip::tcp::endpoint> addresses_;
  bool is_running_ = false;
};

}  // namespace propeller::forward
