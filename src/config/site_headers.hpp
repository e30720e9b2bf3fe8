#pragma once

#include <vector>

#include "config/forward_settings.hpp"
#include "config/yaml_section.hpp"

namespace propeller::config {

/// Reads `headers`: a map from host patterns to rules.
void read_headers(YamlSection section, std::vector<HeaderRule>& to);

}  // namespace propeller::config
