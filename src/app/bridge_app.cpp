#include "app/bridge_app.hpp"

#include "app/service.hpp"
#include "registry/client.hpp"
#include "stream/bridge.hpp"

namespace propeller::app {

std::vector<std::string> problems_of(const config::Settings& settings) {
  std::vector<std::string> problems;
  if (const auto checked = registry::check_settings(settings.registry); !checked)
    problems.push_back(checked.error().detail);
  return problems;
}

int run_bridge(const config::Settings& settings) {
  observe::Metrics metrics;
  stream::Bridge bridge(settings, metrics);
  return run_service(settings, metrics,
                     {.start = [&bridge] { return bridge.start(); },
                      .stop = [&bridge] { bridge.stop(); },
                      .health =
                          [&bridge] {
                            const auto health = bridge.health();
                            return Health{.is_healthy = health.is_healthy,
                                          .broker_error = health.broker_error,
                                          .registry_asked_at = health.registry_asked_at,
                                          .registry_answered = health.registry_answered};
                          }});
}

}  // namespace propeller::app
