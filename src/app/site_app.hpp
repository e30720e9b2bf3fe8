#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/planes.hpp"

namespace propeller::app {

/// What the planes that run find wrong with the settings, beyond what the configuration can tell by itself.
[[nodiscard]] std::vector<std::string> problems_of(const config::SiteLoaded& site);

/// Reads the configuration again, as it was read the first time.
using LoadAgain = std::function<config::SiteLoaded()>;

/// The planes as a service, until it is told to stop. Returns the exit code.
[[nodiscard]] int run_site(const config::SiteLoaded& site, LoadAgain load_again);

}  // namespace propeller::app
