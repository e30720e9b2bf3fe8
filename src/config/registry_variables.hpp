#pragma once

#include <span>

#include "config/variables.hpp"

namespace propeller::config {

/// The rows of the table that say how the bridge speaks to registries.
[[nodiscard]] std::span<const Variable> registry_variables();

}  // namespace propeller::config
