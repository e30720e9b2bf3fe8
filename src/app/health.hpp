#pragma once

#include <chrono>
#include <span>

#include "admin/server.hpp"
#include "app/plane.hpp"

/// What /health and /ready say. Pure functions.
namespace propeller::app {

/// Healthy: every plane that runs is. 200 or 503, `{"status":"ok"|"down","reason":…}` with the reason of the first that
/// is not.
[[nodiscard]] admin::Answer health_answer(std::span<const Health> planes);

/// What the registry did longer ago says nothing about now: a failure must not keep a bridge that nobody asks unready.
inline constexpr std::chrono::seconds kRegistryAnswerAge{60};

/// Ready: healthy, not stopping, and the registry answered when it was last asked, or has not been asked for
/// kRegistryAnswerAge.
[[nodiscard]] admin::Answer ready_answer(std::span<const Health> planes, bool is_stopping,
                                         std::chrono::steady_clock::time_point now);

}  // namespace propeller::app
