#include "app/bridge_app.hpp"

#include "app/service.hpp"
#include "stream/bridge.hpp"

namespace propeller::app {

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
                                          .registry_was_asked = health.registry_was_asked,
                                          .registry_answered = health.registry_answered};
                          }});
}

}  // namespace propeller::app
