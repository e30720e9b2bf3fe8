#pragma once

#include <string>
#include <vector>

#include "config/forward_settings.hpp"

namespace propeller::forward {

/// What is wrong with the files that the settings name, beyond what the configuration can tell by itself: users that
/// cannot be read, authorities that are no certificates. Blocking.
[[nodiscard]] std::vector<std::string> problems_of(const config::Forward& settings);

}  // namespace propeller::forward
