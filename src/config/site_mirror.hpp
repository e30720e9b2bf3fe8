#pragma once

#include "config/forward_settings.hpp"
#include "config/yaml_section.hpp"

namespace propeller::config {

inline constexpr std::size_t kMirrorUpstreamsMax = 64;

/// The section `mirror`; the keys are listed in docs/configuration.md.
void read_mirror(YamlSection section, Mirror& to);

}  // namespace propeller::config
