#pragma once

#include "config/forward_settings.hpp"
#include "config/loader.hpp"
#include "config/yaml.hpp"

namespace propeller::config {

/// What the file is about, as far as it decides which planes run.
struct SiteSections {
  bool has_proxy = false;  ///< `proxy`, or `mirror`, which is on its port
  bool has_cache = false;

  friend bool operator==(const SiteSections&, const SiteSections&) = default;
};

/// What the built-in default of the existing proxies keeps: registry content by digest.
[[nodiscard]] std::vector<std::string> registry_patterns();

/// Reads a parsed `propeller-proxy.yaml` into `to`, which holds the defaults. What does not depend on the environment
/// is checked here; `file` is its name in the messages. The keys are listed in docs/configuration.md.
///
/// Errors: every problem is added to `problems`, with file, line and path; what is wrong keeps its default.
SiteSections read_site(const YamlNode& root, const std::string& file, Forward& to, Problems& problems);

}  // namespace propeller::config
