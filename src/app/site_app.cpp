#include "app/site_app.hpp"

#include <fmt/format.h>

#include <optional>

#include "app/bridge_store.hpp"
#include "app/forward_app.hpp"
#include "app/open_files.hpp"
#include "app/service.hpp"
#include "forward/settings_check.hpp"
#include "observe/log.hpp"
#include "registry/client.hpp"
#include "stream/bridge.hpp"

namespace propeller::app {

using observe::kv;

namespace {

Plane plane_of(stream::Bridge& bridge, stream::Bridge::OpenStore open_store) {
  return {.name = "bridge",
          .start = [&bridge, open_store = std::move(open_store)] { return bridge.start(open_store); },
          .stop = [&bridge] { bridge.stop(); },
          .health =
              [&bridge] {
                const auto health = bridge.health();
                const std::string why = "not connected and subscribed to the broker";
                return Health{.is_healthy = health.is_healthy,
                              .reason = health.broker_error.empty() ? why : why + ": " + health.broker_error,
                              .registry_asked_at = health.registry_asked_at,
                              .registry_answered = health.registry_answered};
              },
          .reload = nullptr};
}

Plane plane_of(ForwardApp& forward) {
  return {.name = "forward proxy",
          .start = [&forward] { return forward.start(); },
          .stop = [&forward] { forward.stop(); },
          .health = [&forward] { return forward.health(); },
          .reload = [&forward] { forward.reload(); }};
}

void start_log_of(const config::SiteLoaded& site) {
  if (!site.planes.has_forward) return start_log(site.bridge.settings.log);
  if (const auto started = start_log(site.forward.settings.log); !started)
    observe::log_error("logging.file: lines go to standard error", {kv("reason", started.error().detail)});
}

}  // namespace

std::vector<std::string> problems_of(const config::SiteLoaded& site) {
  std::vector<std::string> problems;
  if (site.planes.has_forward) problems = forward::problems_of(site.forward.settings);
  if (!site.planes.has_bridge) return problems;
  if (const auto checked = registry::check_settings(site.bridge.settings.registry); !checked)
    problems.push_back(checked.error().detail);
  return problems;
}

int run_site(const config::SiteLoaded& site, LoadAgain load_again) {
  start_log_of(site);
  for (const auto& text : site.problems.warnings) observe::log_warn("configuration", {kv("warning", text)});
  if (site.planes.is_builtin_default) {
    observe::log_info(
        "nothing is configured: running the forward proxy with its built-in default",
        {kv("cache", site.forward.settings.cache.dir.native()), kv("help", "propeller-proxy run --help")});
  }
  raise_open_files_limit();
  const auto& settings = site.bridge.settings;
  observe::Metrics metrics;
  // The planes share one store. Whose it is outlives the bridge, and starts before it.
  std::optional<ForwardApp> forward;
  std::optional<BridgeStore> bridge_store;
  std::optional<stream::Bridge> bridge;
  std::vector<Plane> planes;
  if (site.planes.has_forward) {
    const ForwardOptions options{.loaded = site.forward,
                                 .load_again = std::move(load_again),
                                 .shutdown_timeout = settings.shutdown_timeout,
                                 .other_ports = {{.address = settings.admin.address, .port = settings.admin.port}}};
    planes.push_back(plane_of(forward.emplace(options, metrics)));
  }
  if (site.planes.has_bridge && site.planes.has_forward) {
    planes.push_back(plane_of(bridge.emplace(settings, metrics), [&forward] { return forward->store(); }));
  } else if (site.planes.has_bridge) {
    bridge_store.emplace(settings.store, metrics);
    planes.push_back(plane_of(bridge.emplace(settings, metrics), [&bridge_store] { return bridge_store->open(); }));
  }
  return run_service({.admin = settings.admin, .is_kept_small = !site.planes.has_forward}, metrics, std::move(planes));
}

}  // namespace propeller::app
