#pragma once

#include "config/settings.hpp"

namespace propeller::app {

/// The bridge as a service, until it is told to stop. Returns the exit code.
[[nodiscard]] int run_bridge(const config::Settings& settings);

}  // namespace propeller::app
