#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace propeller::app {

/// How the bridge is, as health and readiness judge it.
struct Health {
  bool is_healthy = false;   ///< connected and subscribed to the broker
  std::string broker_error;  ///< why not, as the broker or the network said it
  std::optional<std::chrono::steady_clock::time_point> registry_asked_at;  ///< the last time; none: not asked yet
  bool registry_answered = false;                                          ///< then
};

/// What the service around it needs of a plane.
struct Plane {
  std::function<Result<void>()> start;
  std::function<void()> stop;      ///< returns when drained, or out of time
  std::function<Health()> health;  ///< from any thread
};

}  // namespace propeller::app
