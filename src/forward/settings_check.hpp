#pragma once

#include <string>
#include <vector>

#include "config/forward_settings.hpp"

namespace propeller::forward {

/// What is wrong with the files that the settings name, beyond what the configuration can tell by itself: users that
/// cannot be read, authorities that are no certificates. Blocking.
[[nodiscard]] std::vector<std::string> problems_of(const config::Forward& settings);

/// Keys that are set and have no effect in this version, one sentence each.
[[nodiscard]] std::vector<std::string> without_effect(const config::Forward& settings);

}  // namespace propeller::forward
