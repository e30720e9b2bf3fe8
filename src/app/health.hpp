#pragma once

#include <chrono>

#include "admin/server.hpp"
#include "app/plane.hpp"

/// What /health and /ready say. Pure functions.
namespace propeller::app {

/// Healthy: connected and subscribed to the broker. 200 or 503, `{"status":"ok"|"down","reason":…}`.
[[nodiscard]] admin::Answer health_answer(const Health& health);

/// What the registry did longer ago says nothing about now: a failure must not keep a bridge that nobody asks unready.
inline constexpr std::chrono::seconds kRegistryAnswerAge{60};

/// Ready: healthy, not stopping, and the registry answered when it was last asked, or has not been asked for
/// kRegistryAnswerAge.
[[nodiscard]] admin::Answer ready_answer(const Health& health, bool is_stopping,
                                         std::chrono::steady_clock::time_point now);

}  // namespace propeller::app
