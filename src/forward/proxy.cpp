#include "forward/proxy.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "config/forward_changes.hpp"
#include "forward/cache_listing.hpp"
#include "forward/proxy_core.hpp"
#include "forward/proxy_status.hpp"
#include "net/address.hpp"
#include "observe/log.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

namespace asio = async::asio;

struct Proxy::Parts {
  Parts(const config::Forward& settings, std::vector<config::Endpoint> others)
      : other_ports(std::move(others)), cores("proxy", settings.threads) {
    shared.settings = settings;
  }

  base::SystemClock clock;
  ProxyShared shared;
  const std::string via_name = std::string(kProxyName) + "-" + base::random_hex(4);
  std::shared_ptr<const Users> users;
  const std::vector<config::Endpoint> other_ports;
  async::CorePool cores;
  std::vector<std::unique_ptr<ProxyCore>> proxies;

  [[nodiscard]] std::shared_ptr<const CacheMatcher> matcher() const {
    if (shared.store == nullptr) return nullptr;
    return std::make_shared<const CacheMatcher>(shared.settings.cache);
  }
  [[nodiscard]] PolicyPtr policy(const std::vector<asio::ip::tcp::endpoint>& own) const {
    const auto& settings = shared.settings;
    TargetGuardOptions guard{
        .allow_targets = settings.proxy.allow_targets, .own = {}, .machine_addresses = net::machine_addresses()};
    for (const auto& each : own) guard.own.push_back({.address = each.address().to_string(), .port = each.port()});
    guard.own.push_back(settings.api.listen);
    guard.own.insert(guard.own.end(), other_ports.begin(), other_ports.end());
    return std::make_shared<const Policy>(Policy{.name = via_name,
                                                 .access = {AllowList(settings.rules.allowlist), TargetGuard(guard)},
                                                 .rules = HeaderRules(settings.rules.headers),
                                                 .passthrough = HostPatterns(settings.tls.passthrough),
                                                 .users = users,
                                                 .proxy_protocol = parse_ranges(settings.proxy.proxy_protocol),
                                                 .is_passthrough_learned = settings.tls.is_passthrough_learned,
                                                 .cache = matcher()});
  }
  /// Blocks until every core has taken it.
  void set_policy(const PolicyPtr& policy) {
    std::vector<std::future<void>> taken;
    for (std::size_t i = 0; i < proxies.size(); ++i) {
      taken.push_back(asio::post(cores[i].executor(),
                                 asio::use_future([&proxy = *proxies[i], policy] { proxy.set_policy(policy); })));
    }
    for (auto& each : taken) each.get();
  }
};

Proxy::Proxy(config::Forward settings, store::ContentStore* store, std::vector<config::Endpoint> other_ports)
    : settings_(std::move(settings)), store_(store), other_ports_(std::move(other_ports)) {}

Proxy::~Proxy() { stop(std::chrono::milliseconds(0)); }

Result<void> Proxy::prepare() {
  parts_ = std::make_unique<Parts>(settings_, other_ports_);
  auto& shared = parts_->shared;
  shared.store = store_;
  shared.cache_counters = &cache_counters_;
  shared.invalidations = &invalidations_;
  shared.bandwidth.emplace(settings_.proxy.bandwidth);
  auto users = load_users(settings_.proxy.users);
  if (!users) return std::unexpected(users.error());
  parts_->users = std::move(*users);
  if (settings_.recording.is_enabled) {
    shared.observer.recorder = std::make_unique<Recorder>(settings_.recording, parts_->clock);
    if (auto started = shared.observer.recorder->start(); !started) return started;
  }
  auto tls =
      net::ClientTls::create({.ca_files = settings_.tls.upstream_ca, .insecure_hosts = settings_.tls.insecure_hosts});
  if (!tls) return std::unexpected(tls.error());
  shared.client_tls = std::move(*tls);
  if (settings_.mirror.is_enabled) {
    auto mirror = MirrorTable::create(settings_.mirror, settings_.tls);
    if (!mirror) return std::unexpected(mirror.error());
    shared.mirror = std::move(*mirror);
    // Before clients fill the list with others.
    for (const auto& upstream : settings_.mirror.upstreams) (void)cache_counters_.hosts().of(upstream.name);
  }
  auto authority = net::CertificateAuthority::open(settings_.tls.cert_dir, std::chrono::system_clock::now());
  if (!authority) return std::unexpected(authority.error());
  shared.authority = std::move(*authority);
  if (const auto& why = shared.authority->replaced_reason(); !why.empty()) {
    observe::log_warn(
        "the certificate authority was replaced: clients have to trust the new one, the old is kept as *.old",
        {observe::kv("cert_dir", settings_.tls.cert_dir.string()), observe::kv("reason", why)});
  }
  shared.server_tls = std::make_unique<net::ServerTls>([authority = shared.authority](std::string_view name) {
    return authority->leaf(name, std::chrono::system_clock::now());
  });
  return {};
}

Result<void> Proxy::listen() {
  const auto policy = parts_->policy({});
  for (std::size_t i = 0; i < parts_->cores.size(); ++i)
    parts_->proxies.push_back(std::make_unique<ProxyCore>(parts_->cores[i], parts_->shared, policy));
  for (const auto& wanted : settings_.proxy.listen) {
    boost::system::error_code error;
    asio::ip::tcp::endpoint address(asio::ip::make_address(wanted.address, error), wanted.port);
    if (error) return fail(Code::bad_config, Origin::internal, "proxy.listen: not an address: " + wanted.address);
    if (auto is_free = net::check_is_free(address); !is_free) return is_free;
    for (auto& proxy : parts_->proxies) {
      auto got = proxy->listen(address);
      if (!got) return std::unexpected(got.error());
      address = *got;
    }
    addresses_.push_back(address);
  }
  return {};
}

Result<void> Proxy::start() {
  if (auto prepared = prepare(); !prepared) return prepared;
  if (auto listening = listen(); !listening) return listening;
  const auto policy = parts_->policy(addresses_);
  for (std::size_t i = 0; i < parts_->cores.size(); ++i) {
    parts_->proxies[i]->set_policy(policy);
    asio::post(parts_->cores[i].executor(), [&proxy = *parts_->proxies[i]] { proxy.start(); });
  }
  parts_->cores.start();
  watch_evictions();
  is_running_ = true;
  return {};
}

Result<void> Proxy::apply(const config::Forward& settings) {
  auto users = load_users(settings.proxy.users);
  if (!users) return std::unexpected(users.error());
  parts_->users = std::move(*users);
  parts_->shared.logins.clear();
  // The cores read other parts of the settings, without a lock: those stay as they were.
  auto& mine = parts_->shared.settings;
  mine.proxy.allow_targets = settings.proxy.allow_targets;
  mine.proxy.proxy_protocol = settings.proxy.proxy_protocol;
  mine.tls.passthrough = settings.tls.passthrough;
  mine.tls.is_passthrough_learned = settings.tls.is_passthrough_learned;
  mine.cache = config::keep_until_restart(mine, settings).cache;
  apply(settings.rules);
  return {};
}

void Proxy::apply(const config::RuntimeRules& rules) {
  parts_->shared.settings.rules = rules;
  parts_->set_policy(parts_->policy(addresses_));
}

std::size_t Proxy::connections() const { return parts_ ? parts_->shared.connections.load() : 0; }

RequestFigures Proxy::request_figures() const {
  const auto& observer = parts_->shared.observer;
  const auto& counters = observer.counters;
  const auto recorded = observer.recorder ? observer.recorder->counts() : Recorder::Counts();
  return {.requests = counters.requests,
          .refused = counters.refused,
          .logins_refused = counters.logins,
          .failed = counters.failed,
          .recorded = recorded.written,
          .recordings_lost = recorded.dropped + recorded.failed};
}

std::optional<RateLimit> Proxy::rate_limit(std::string_view registry) const {
  const auto* found = parts_ && parts_->shared.mirror ? parts_->shared.mirror->find(registry) : nullptr;
  return found == nullptr ? std::nullopt : found->limit.get();
}

void Proxy::watch_hosts(FiguresByHost::OnNew on_new) { cache_counters_.hosts().watch(std::move(on_new)); }

void Proxy::watch_evictions() {
  if (store_ == nullptr) return;
  store_->watch_evictions([this, mirror = parts_->shared.mirror](std::string_view key) {
    const auto host = facts_of_key(key).host;
    const auto* registry = mirror ? mirror->find_at(host) : nullptr;
    ++cache_counters_.hosts().of(registry != nullptr ? std::string_view(registry->name) : host).evictions;
  });
}

CacheStats Proxy::cache_stats() const {
  return cache_counters_.stats(store_ != nullptr ? store_->status() : store::StoreStatus());
}

Result<void> Proxy::clear_cache() {
  if (store_ == nullptr || !settings_.cache.is_enabled)
    return fail(Code::bad_request, Origin::client, "cache disabled");
  if (!is_running_) return fail(Code::shutting_down, Origin::internal, "the proxy does not run");
  // On a core and not on a context of our own: the store's thread may still be in it when the answer is there.
  auto cleared = asio::co_spawn(parts_->cores[0].executor(), store_->clear_unpinned(), asio::use_future);
  if (auto done = cleared.get(); !done) return done;
  cache_counters_.reset(store_->status());
  return {};
}

void Proxy::stop(std::chrono::milliseconds grace) {
  if (!std::exchange(is_running_, false)) return;
  std::vector<std::future<void>> stopped;
  for (std::size_t i = 0; i < parts_->proxies.size(); ++i)
    stopped.push_back(asio::co_spawn(parts_->cores[i].executor(), parts_->proxies[i]->stop(grace), asio::use_future));
  for (auto& each : stopped) each.get();
  parts_->cores.stop();
  if (store_ != nullptr) store_->watch_evictions({});
}

}  // namespace propeller::forward
