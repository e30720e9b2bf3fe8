#pragma once

#include <chrono>
#include <optional>

namespace propeller::registry {

/// Whether the configured registry answered the last time it was asked anything, for readiness. Other registries do not
/// count, or a device could make us unready by naming a dead host.
struct Liveness {
  std::optional<std::chrono::steady_clock::time_point> asked_at;  ///< the end of the last request; none: not asked yet
  bool has_answered = false;                                      ///< that one
};

}  // namespace propeller::registry
