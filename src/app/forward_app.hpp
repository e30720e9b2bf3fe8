#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "admin/api_server.hpp"
#include "app/cache_api.hpp"
#include "app/live_config.hpp"
#include "app/plane.hpp"
#include "async/core.hpp"
#include "config/file_watcher.hpp"
#include "config/planes.hpp"
#include "forward/proxy.hpp"
#include "observe/metrics.hpp"
#include "store/content_store.hpp"
#include "tier/second_tier.hpp"

namespace propeller::app {

/// The store that the settings describe.
[[nodiscard]] store::StoreOptions store_options(const config::Cache& cache);

struct ForwardOptions {
  config::ForwardLoaded loaded;
  std::function<config::SiteLoaded()> load_again;
  std::chrono::milliseconds shutdown_timeout{30'000};
  std::vector<config::Endpoint> other_ports = {};  ///< of this process, which the proxy does not dial either
};

/// The forward proxy with all that belongs to it: its store, its API, and its configuration files, which are read again
/// when one changes and when reload() says so.
///
/// Order:    start(): API's port, store, proxy's ports; stop(): requests in progress end. The store closes with the
///           object: the bridge may use it until then.
/// Errors:   start(): bad_config or io, with what to do. A store that cannot be opened keeps nothing and is no error,
///           unless another process has it. A reload with a mistake changes nothing.
/// Threads:  start(), stop() and the destructor: the owner's. health() and reload(): any. The API runs on a core of its
///           own, what it does and reloads on a pool of one thread, so that they never meet.
class ForwardApp {
 public:
  ForwardApp(ForwardOptions options, observe::Metrics& metrics);
  ~ForwardApp();
  ForwardApp(const ForwardApp&) = delete;
  ForwardApp& operator=(const ForwardApp&) = delete;

  [[nodiscard]] Result<void> start();
  /// Requests in progress have until the shutdown time-out.
  void stop();
  [[nodiscard]] Health health() const;
  void reload();
  /// From start() on, until this goes; null: there is none.
  [[nodiscard]] store::ContentStore* store() const { return store_.get(); }
  /// What the API serves. Called once it is known what there is to serve: by start(), before anything listens.
  [[nodiscard]] std::vector<admin::ApiRoute> routes();

 private:
  [[nodiscard]] Result<void> open_store();
  [[nodiscard]] Result<void> open_tier();
  [[nodiscard]] Result<void> open_api();
  void watch_files();
  void log_started() const;
  void add_metrics();
  void add_mirror_metrics();
  void add_host_metrics();

  // On the pool.
  void load_again();
  void apply(const config::SiteLoaded& site);
  void say_what_changed(const LiveConfig::Change& change) const;
  [[nodiscard]] CacheApi::Parts cache_parts();
  [[nodiscard]] admin::ApiAnswer change_rules(const std::string& document, bool is_merged);
  [[nodiscard]] admin::ApiAnswer clear_cache();
  [[nodiscard]] std::string status_text() const;

  ForwardOptions options_;
  config::Forward& settings_;  ///< of the options: what the process was started with
  observe::Metrics& metrics_;
  observe::Counter& reloads_;
  observe::Counter& reload_failures_;

  boost::asio::thread_pool store_pool_{2};
  boost::asio::thread_pool pool_{1};
  store::Probe store_probe_;
  std::unique_ptr<store::ContentStore> store_;
  std::string store_error_;
  tier::Probe tier_probe_;
  std::unique_ptr<tier::SecondTier> tier_;  ///< behind the store; null: there is none
  std::unique_ptr<ProxyClient> client_;     ///< of proxy_
  std::unique_ptr<CacheApi> cache_api_;
  std::unique_ptr<forward::Proxy> proxy_;
  std::vector<std::unique_ptr<config::FileWatcher>> watchers_;

  LiveConfig live_;           ///< of the pool's thread
  std::string reload_error_;  ///< of the pool's thread; empty: the last reload was taken

  async::Core core_{"api"};
  std::unique_ptr<admin::ApiServer> api_;
  std::atomic<bool> is_running_{false};
};

}  // namespace propeller::app
