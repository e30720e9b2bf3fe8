#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace propeller::app {

/// What the planes find wrong with the settings, beyond what the configuration can tell by itself.
[[nodiscard]] std::vector<std::string> problems_of(const config::Settings& settings);

/// The bridge as a service, until it is told to stop. Returns the exit code.
[[nodiscard]] int run_bridge(const config::Settings& settings);

}  // namespace propeller::app
