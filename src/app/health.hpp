#pragma once

#include "admin/server.hpp"
#include "app/plane.hpp"

/// What /health and /ready say. Pure functions.
namespace propeller::app {

/// Healthy: connected and subscribed to the broker. 200 or 503, `{"status":"ok"|"down","reason":…}`.
[[nodiscard]] admin::Answer health_answer(const Health& health);

/// Ready: healthy, not stopping, and the registry answered when it was last asked, or has not been asked.
[[nodiscard]] admin::Answer ready_answer(const Health& health, bool is_stopping);

}  // namespace propeller::app
