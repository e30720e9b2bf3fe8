#include "app/forward_app.hpp"

#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "forward/cache_matcher.hpp"
#include "launch/trust_bundle.hpp"
#include "observe/log.hpp"

namespace propeller::app {

namespace asio = boost::asio;
using observe::kv;

namespace {

store::PolicyKind policy_of(config::EvictionPolicy policy) {
  switch (policy) {
    case config::EvictionPolicy::s3fifo: return store::PolicyKind::s3fifo;
    case config::EvictionPolicy::sieve: return store::PolicyKind::sieve;
    case config::EvictionPolicy::lru: return store::PolicyKind::lru;
  }
  return store::PolicyKind::s3fifo;
}

admin::ApiTrust trust_of(config::ApiAuth auth) {
  return auth == config::ApiAuth::loopback ? admin::ApiTrust::loopback : admin::ApiTrust::nobody;
}

/// The same error with what to do about it.
std::unexpected<Error> advise(Error error, std::string_view advice) {
  error.detail = fmt::format("{}; {}", error.detail, advice);
  return std::unexpected(std::move(error));
}

}  // namespace

ForwardApp::ForwardApp(ForwardOptions options, observe::Metrics& metrics)
    : options_(std::move(options)),
      settings_(options_.loaded.settings),
      metrics_(metrics),
      reloads_(metrics.counter("propeller_forward_reloads_total", "Configurations read again and taken.")),
      reload_failures_(metrics.counter("propeller_forward_reload_failures_total",
                                       "Configurations read again and refused: the old one stays.")),
      store_probe_(metrics),
      tier_probe_(metrics),
      live_(settings_) {}

ForwardApp::~ForwardApp() {
  stop();
  if (store_) store_->set_backing(nullptr);
  // While those who may wait for it have their cores.
  tier_.reset();
  proxy_.reset();
  // Before its pool: the store waits for what still runs there.
  store_.reset();
}

store::StoreOptions store_options(const config::Cache& cache) {
  store::StoreOptions options{.directory = cache.dir,
                              .size_bytes_max = cache.size_max_bytes,
                              .free_bytes_min = cache.disk_free_min_bytes,
                              .policy = policy_of(cache.policy)};
  if (cache.object_size_max_bytes > 0) options.object_bytes_max = cache.object_size_max_bytes;
  return options;
}

Result<void> ForwardApp::open_store() {
  if (!settings_.cache.is_enabled) return {};
  store_ = std::make_unique<store::ContentStore>(store_options(settings_.cache), store_pool_, store_probe_);
  const auto opened = store_->open();
  if (opened) return {};
  if (opened.error().code == Code::overloaded) {
    return advise(opened.error(), "end that process, or give this one another cache.dir");
  }
  // Whoever only wants to get through is not to be stopped by a disk.
  store_error_ = opened.error().detail;
  observe::log_error("the cache cannot be opened: everything is passed on, nothing is kept",
                     {kv("reason", store_error_)});
  return {};
}

Result<void> ForwardApp::open_tier() {
  if (!store_ || settings_.cache.second_tier.empty()) return {};
  tier_ = std::make_unique<tier::SecondTier>(tier::SecondTierOptions{.settings = settings_.cache.second_tier}, *store_,
                                             tier_probe_);
  if (auto started = tier_->start(); !started) return started;
  store_->set_backing(tier_.get());
  return {};
}

Result<void> ForwardApp::open_api() {
  auto token = admin::open_token(settings_.api.token_file.native());
  if (!token) return advise(token.error(), "the API's token is kept there (api.token_file)");
  boost::system::error_code error;
  const auto address = asio::ip::make_address(settings_.api.listen.address, error);
  if (error) return fail(Code::bad_config, Origin::internal, "api.listen is no address");
  api_ = std::make_unique<admin::ApiServer>(core_.executor(),
                                            admin::ApiOptions{.listen = {address, settings_.api.listen.port},
                                                              .trust = trust_of(settings_.api.auth),
                                                              .token = std::move(*token)});
  const auto got = api_->listen();
  if (!got) return advise(got.error(), "the API's port is proxy.api_port, PROXY_API_PORT or --api-port");
  // The proxy has to know it, so that nobody gets there through it.
  settings_.api.listen.port = got->port();
  return {};
}

Result<void> ForwardApp::start() {
  // The port first: who starts it twice is told that, not that the cache is taken.
  if (auto opened = open_api(); !opened) return opened;
  if (auto opened = open_store(); !opened) return opened;
  if (auto opened = open_tier(); !opened) return opened;
  proxy_ = std::make_unique<forward::Proxy>(settings_, store_.get(), options_.other_ports);
  if (auto started = proxy_->start(); !started) {
    const bool is_address = started.error().detail.starts_with("cannot listen");
    return is_address ? advise(started.error(), "the port is proxy.port, PROXY_PORT or --proxy-port") : started;
  }
  // For clients, most of whom may not write there.
  if (const auto kept = launch::keep_bundle(settings_.tls.cert_dir); !kept)
    observe::log_warn("the bundle of authorities for clients is not up to date", {kv("reason", kept.error().detail)});
  add_metrics();
  asio::post(core_.executor(), [this] { api_->start(routes()); });
  core_.start();
  is_running_ = true;
  watch_files();
  log_started();
  return {};
}

void ForwardApp::log_started() const {
  std::vector<std::string> listen;
  for (const auto& address : proxy_->addresses()) listen.push_back(fmt::format("{}", fmt::streamed(address)));
  const auto& api = settings_.api.listen;
  observe::log_info(
      "proxy server started",
      {kv("addr", fmt::format("{}", fmt::join(listen, ","))),
       kv("ca_cert", (settings_.tls.cert_dir / "ca.crt").native()), kv("config", options_.loaded.file.native()),
       kv("workspace", options_.loaded.workspace_file.native()), kv("cache", settings_.cache.is_enabled)});
  observe::log_info("api server started", {kv("address", api.address), kv("port", api.port)});
}

void ForwardApp::watch_files() {
  for (const auto& file : {options_.loaded.file, options_.loaded.workspace_file}) {
    if (file.empty()) continue;
    const auto& watcher = watchers_.emplace_back(std::make_unique<config::FileWatcher>(file, [this] { reload(); }));
    if (const auto started = watcher->start(); !started) {
      observe::log_warn("the configuration file is looked at from time to time only",
                        {kv("file", file.native()), kv("reason", started.error().detail)});
    }
  }
}

void ForwardApp::stop() {
  if (is_running_.exchange(false)) {
    watchers_.clear();
    // First whatever does something with the proxy: the API, and what it or a reload has left on the pool.
    asio::co_spawn(core_.executor(), api_->stop(), asio::use_future).get();
    if (client_) asio::co_spawn(core_.executor(), client_->stop(), asio::use_future).get();
    pool_.join();
    proxy_->stop(options_.shutdown_timeout);
    core_.stop();
    if (tier_) tier_->stop();
  }
}

Health ForwardApp::health() const {
  const bool is_healthy = is_running_;
  return {.is_healthy = is_healthy,
          .reason = is_healthy ? "" : "the proxy does not listen",
          .registry_asked_at = std::nullopt,
          .registry_answered = false};
}

void ForwardApp::add_metrics() {
  using Figures = forward::RequestFigures;
  const auto count = [this](std::string_view name, std::string_view help, std::uint64_t Figures::* value) {
    metrics_.counter_function(name, help,
                              [this, value] { return static_cast<double>(proxy_->request_figures().*value); });
  };
  count("propeller_forward_requests_total", "Requests of the proxy's clients.", &Figures::requests);
  count("propeller_forward_refused_total", "Refused: a target that may not be reached.", &Figures::refused);
  count("propeller_forward_logins_refused_total", "Without a right user name and password.", &Figures::logins_refused);
  count("propeller_forward_failed_total", "The upstream was not reached, or failed.", &Figures::failed);
  count("propeller_forward_recorded_total", "Exchanges recorded.", &Figures::recorded);
  count("propeller_forward_recordings_lost_total", "Lost to a full queue or disk.", &Figures::recordings_lost);
  metrics_.gauge_function("propeller_forward_connections", "Connections of clients, open now.",
                          [this] { return static_cast<double>(proxy_->connections()); });
  using Stats = forward::CacheStats;
  // Gauges: DELETE /api/cache sets them back.
  const auto show = [this](std::string_view name, std::string_view help, std::uint64_t Stats::* value) {
    metrics_.gauge_function(name, help, [this, value] { return static_cast<double>(proxy_->cache_stats().*value); });
  };
  show("propeller_forward_cache_hits", "Requests answered from the cache since it was cleared.", &Stats::hits);
  show("propeller_forward_cache_misses", "Cacheable requests that went upstream since it was cleared.", &Stats::misses);
  show("propeller_forward_cache_errors", "Downloads into the cache that broke since it was cleared.", &Stats::errors);
  add_mirror_metrics();
  add_host_metrics();
}

void ForwardApp::add_mirror_metrics() {
  if (!settings_.mirror.is_enabled) return;
  using forward::RateLimit;
  const auto show = [this](std::string_view name, std::string_view help, std::uint64_t RateLimit::* value) {
    for (const auto& upstream : settings_.mirror.upstreams) {
      const auto get = [this, registry = upstream.name, value] {
        const auto limit = proxy_->rate_limit(registry);
        return limit ? static_cast<double>(*limit.*value) : -1.0;
      };
      metrics_.gauge_function(name, help, get, fmt::format("registry=\"{}\"", upstream.name));
    }
  };
  show("propeller_forward_mirror_rate_limit", "Pulls that a registry allows in its window; -1: it has not said.",
       &RateLimit::limit);
  show("propeller_forward_mirror_rate_limit_remaining", "Pulls that are left of them; -1: it has not said.",
       &RateLimit::remaining);
}

void ForwardApp::add_host_metrics() {
  using forward::HostFigures;
  proxy_->watch_hosts([this](const std::string& host, const HostFigures& figures) {
    const auto count = [&](std::string_view name, std::string_view help,
                           std::atomic<std::uint64_t> HostFigures::* value) {
      metrics_.counter_function(
          name, help, [&counter = figures.*value] { return static_cast<double>(counter.load()); },
          observe::label("host", host));
    };
    count("propeller_forward_cache_host_hits_total", "GETs answered from the cache.", &HostFigures::hits);
    count("propeller_forward_cache_host_misses_total", "GETs that the cache asked the origin for.",
          &HostFigures::misses);
    count("propeller_forward_cache_host_coalesced_total", "GETs answered along with another one's download.",
          &HostFigures::coalesced);
    count("propeller_forward_cache_host_bytes_total", "Bytes of their bodies.", &HostFigures::bytes);
    count("propeller_forward_cache_host_saved_bytes_total", "Of those, bytes that were not fetched for them.",
          &HostFigures::bytes_saved);
    count("propeller_forward_cache_host_evictions_total", "Kept responses that made room for others.",
          &HostFigures::evictions);
  });
}

void ForwardApp::reload() {
  if (is_running_) asio::post(pool_, [this] { load_again(); });
}

void ForwardApp::load_again() {
  // Log rotation moves the file away and says SIGHUP.
  if (const auto& file = settings_.log.file; !file.empty()) {
    if (const auto opened = observe::log_to_file(file); !opened)
      observe::log_error("the log file cannot be opened again", {kv("reason", opened.error().detail)});
  }
  const auto site = options_.load_again();
  reload_error_.clear();
  for (const auto& text : site.problems.warnings) observe::log_warn("configuration", {kv("warning", text)});
  for (const auto& text : site.problems.errors) {
    observe::log_error("config reload error", {kv("error", text)});
    reload_error_ += (reload_error_.empty() ? "" : "; ") + text;
  }
  if (site.problems.errors.empty()) apply(site);
  (reload_error_.empty() ? reloads_ : reload_failures_).add();
}

void ForwardApp::apply(const config::SiteLoaded& site) {
  auto read = site.forward.settings;
  // What the kernel chose is what was meant by 0.
  if (read.api.listen.port == 0) read.api.listen.port = settings_.api.listen.port;
  const auto next = live_.after(read);
  if (const auto applied = proxy_->apply(next); !applied) {
    reload_error_ = applied.error().detail;
    observe::log_error("config reload error", {kv("error", reload_error_)});
    return;
  }
  observe::set_log_level(next.log.level);
  asio::post(core_.executor(), [this, trust = trust_of(next.api.auth), ttl_max = forward::ttl_max_of(next.cache)] {
    api_->set_trust(trust);
    cache_api_->set_ttl_max(ttl_max);
  });
  say_what_changed(live_.take_file(read));
}

void ForwardApp::say_what_changed(const LiveConfig::Change& change) const {
  observe::log_info("config reloaded", {kv("changed", fmt::format("{}", fmt::join(change.changes.applied, ",")))});
  if (change.are_api_rules_replaced)
    observe::log_warn("the rules of the file have changed, and replace those that the API had set");
  if (!change.wait.empty()) {
    observe::log_warn("changes that wait for a restart", {kv("keys", fmt::format("{}", fmt::join(change.wait, ",")))});
  }
}

}  // namespace propeller::app
