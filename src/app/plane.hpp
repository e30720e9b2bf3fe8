#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace propeller::app {

/// How a plane is, as health and readiness judge it.
struct Health {
  bool is_healthy = false;  ///< the bridge: connected and subscribed to the broker; the proxy: listening
  std::string reason;       ///< why not
  std::optional<std::chrono::steady_clock::time_point> registry_asked_at;  ///< the last time; none: not asked yet
  bool registry_answered = false;                                          ///< then
};

/// What the service around it needs of a plane.
struct Plane {
  std::string name;  ///< "bridge", for the log
  std::function<Result<void>()> start;
  std::function<void()> stop;      ///< returns when drained, or out of time
  std::function<Health()> health;  ///< from any thread
  std::function<void()> reload;    ///< SIGHUP; returns at once. Empty: it has nothing to read again
};

}  // namespace propeller::app
