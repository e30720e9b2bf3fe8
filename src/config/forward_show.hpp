#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/forward_settings.hpp"

namespace propeller::config {

/// Every key of docs/configuration.md with its effective value, as `check` prints it; secrets masked.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> show_forward(const Forward& settings);

}  // namespace propeller::config
