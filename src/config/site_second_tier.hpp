#pragma once

#include "config/forward_settings.hpp"
#include "config/yaml_section.hpp"

namespace propeller::config {

/// The section `cache.second_tier` of `propeller-proxy.yaml`. Errors: all of them in the section's report.
void read_second_tier(YamlSection section, SecondTier& to);

}  // namespace propeller::config
