// What the API of the forward proxy does.
#include <fmt/ostream.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "app/api_answer.hpp"
#include "app/api_document.hpp"
#include "app/forward_app.hpp"
#include "app/service.hpp"
#include "async/offload.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/runtime_config.hpp"
#include "observe/log.hpp"

namespace propeller::app {

using admin::ApiAnswer;
using http::Method;
using nlohmann::json;

namespace {

constexpr int kBadRequest = 400;

/// May block: it runs on the pool.
using Action = std::function<ApiAnswer(const std::string& body)>;

async::awaitable<ApiAnswer> run_on(boost::asio::thread_pool& pool, Action action, std::string body) {
  co_return co_await async::offload(pool,
                                    [action = std::move(action), body = std::move(body)] { return action(body); });
}

ApiAnswer status_ok() { return answer_of({{"status", "ok"}}); }

ApiAnswer stats_answer(const forward::CacheStats& stats) {
  const auto lookups = static_cast<double>(stats.hits + stats.misses);
  json value = {{"hits", stats.hits},     {"misses", stats.misses},
                {"stores", stats.stores}, {"evictions", stats.evictions},
                {"errors", stats.errors}, {"current_size", stats.current_size},
                {"hit_rate", 0}};
  if (lookups > 0) value["hit_rate"] = static_cast<double>(stats.hits) / lookups;
  return answer_of(value);
}

json mirror_status(const config::Mirror& settings, const forward::Proxy& proxy) {
  json upstreams = json::array();
  for (const auto& upstream : settings.upstreams) {
    json each = {{"name", upstream.name}, {"url", upstream.url}};
    if (const auto limit = proxy.rate_limit(upstream.name)) {
      each["rate_limit"] = {{"limit", limit->limit},
                            {"remaining", limit->remaining},
                            {"window_seconds", limit->window_seconds},
                            {"source", limit->source}};
    }
    upstreams.push_back(std::move(each));
  }
  return {{"enabled", settings.is_enabled}, {"upstreams", upstreams}};
}

}  // namespace

std::vector<admin::ApiRoute> ForwardApp::routes() {
  const auto route = [this](Method method, std::string path, Action action) {
    return admin::ApiRoute{.method = method,
                           .path = std::move(path),
                           .answer = [this, action = std::move(action)](admin::ApiQuestion question) {
                             return run_on(pool_, action, std::move(question.body));
                           }};
  };
  using Body = const std::string&;
  std::vector<admin::ApiRoute> routes{
      route(Method::get, "/health",
            [this](Body) {
              return answer_of({{"status", "ok"}, {"ca_cert", (settings_.tls.cert_dir / "ca.crt").string()}});
            }),
      route(Method::get, "/ready", [](Body) { return status_ok(); }),
      route(Method::get, "/metrics",
            [this](Body) {
              return ApiAnswer{.body = metrics_.render(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
            }),
      route(Method::get, "/api/openapi.json", [](Body) { return ApiAnswer{.body = api_document(version())}; }),
      route(Method::get, "/api/status", [this](Body) { return ApiAnswer{.body = status_text()}; }),
      route(Method::get, "/api/config", [this](Body) { return ApiAnswer{.body = forward::show_rules(live_.rules())}; }),
      route(Method::post, "/api/config", [this](Body body) { return change_rules(body, false); }),
      route(Method::patch, "/api/config", [this](Body body) { return change_rules(body, true); }),
      route(Method::get, "/api/cache/stats", [this](Body) { return stats_answer(proxy_->cache_stats()); }),
      route(Method::del, "/api/cache", [this](Body) { return clear_cache(); }),
  };
  cache_api_ = std::make_unique<CacheApi>(cache_parts());
  std::ranges::move(cache_api_->routes(), std::back_inserter(routes));
  return routes;
}

CacheApi::Parts ForwardApp::cache_parts() {
  CacheApi::Parts parts{.store = store_.get(), .ttl_max = forward::ttl_max_of(settings_.cache)};
  if (!settings_.mirror.is_enabled) {
    parts.why_no_pulls = "images are pulled through the registry mirror: set mirror.enabled";
  } else if (!settings_.proxy.users.empty()) {
    parts.why_no_pulls = "proxy.users is set: the proxy does not log in to itself, pull with a client";
  } else if (proxy_) {
    client_ = std::make_unique<ProxyClient>(core_.executor(), store_pool_, proxy_->addresses());
    parts.client = client_.get();
  }
  return parts;
}

ApiAnswer ForwardApp::change_rules(const std::string& document, bool is_merged) {
  auto rules = is_merged ? forward::merge_rules(live_.rules(), document) : forward::overwrite_rules(document);
  if (!rules) return {.status = kBadRequest, .body = forward::error_body(rules.error().detail)};
  proxy_->apply(*rules);
  live_.take_rules(std::move(*rules));
  observe::log_info(is_merged ? "config patched via API" : "config replaced via API",
                    {observe::kv("header_rules", live_.rules().headers.size()),
                     observe::kv("allowlist", live_.rules().allowlist.is_enabled)});
  return status_ok();
}

ApiAnswer ForwardApp::clear_cache() {
  if (const auto cleared = proxy_->clear_cache(); !cleared)
    return {.status = kBadRequest, .body = forward::error_body("failed to clear cache: " + cleared.error().detail)};
  observe::log_info("cache cleared via API");
  return status_ok();
}

std::string ForwardApp::status_text() const {
  json listen = json::array();
  for (const auto& address : proxy_->addresses()) listen.push_back(fmt::format("{}", fmt::streamed(address)));
  json cache = {{"enabled", settings_.cache.is_enabled}, {"error", store_error_}};
  if (store_) {
    const auto status = store_->status();
    cache.update({{"bytes", status.bytes},
                  {"bytes_max", status.size_bytes_max},
                  {"blobs", status.blobs},
                  {"is_storing", status.is_storing}});
  }
  if (tier_) cache["second_tier"] = {{"is_up", tier_->is_up()}, {"error", tier_->reason()}};
  return answer_of({{"version", version()},
                    {"config_file", options_.loaded.file.string()},
                    {"workspace_file", options_.loaded.workspace_file.string()},
                    {"listen", listen},
                    {"rules_from", live_.are_rules_from_api() ? "api" : "file"},
                    {"needs_restart", live_.waiting()},
                    {"reload_error", reload_error_},
                    {"cache", cache},
                    {"mirror", mirror_status(settings_.mirror, *proxy_)}})
      .body;
}

}  // namespace propeller::app
