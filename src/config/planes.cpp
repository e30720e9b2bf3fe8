#include "config/planes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/variables.hpp"

namespace propeller::config {

namespace {

void add_new(std::vector<std::string>& to, const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    if (std::ranges::find(to, text) == to.end()) to.push_back(text);
  }
}

/// Where the forward proxy runs, both planes share its store.
void warn_of_other_store(SiteLoaded& site) {
  for (const auto& variable : variables()) {
    const auto origin = site.bridge.origins.find(variable.name);
    if (variable.group != Group::store || origin == site.bridge.origins.end()) continue;
    site.problems.warnings.push_back(fmt::format(
        "{} is not used: the forward proxy runs, and the store is the one of its `cache:`", origin->second));
  }
}

}  // namespace

Planes decide_planes(const PlanesGiven& given) {
  const bool is_proxy_configured = given.has_proxy_section || given.has_cache_section || given.has_proxy_port;
  if (given.has_mqtt) return {.has_bridge = true, .has_forward = is_proxy_configured};
  if (is_proxy_configured) return {.has_forward = true};
  if (given.has_bridge_use && !given.has_site_file) return {.has_bridge = true};
  return {.has_forward = true, .is_builtin_default = !given.has_site_file};
}

PlanesGiven what_is_given(const Loaded& bridge, const ForwardLoaded& forward) {
  PlanesGiven given{.has_site_file = !forward.file.empty(),
                    .has_proxy_section = forward.sections.has_proxy,
                    .has_cache_section = forward.sections.has_cache,
                    .has_proxy_port = forward.is_port_given};
  for (const auto& variable : variables()) {
    if (!bridge.origins.contains(variable.name)) continue;
    const bool is_mqtt = variable.group == Group::broker || variable.group == Group::identity;
    const bool is_use = variable.group == Group::registry || variable.group == Group::transfers;
    given.has_mqtt = given.has_mqtt || is_mqtt;
    given.has_bridge_use = given.has_bridge_use || (is_use && variable.name.starts_with("PROXY_"));
  }
  return given;
}

SiteLoaded load_site(const Environment& environment, const Flags& flags, const Host& host) {
  SiteLoaded site{.bridge = load(environment, flags, host),
                  .forward = load_forward(environment, flags, host),
                  .planes = {},
                  .problems = {}};
  site.planes = decide_planes(what_is_given(site.bridge, site.forward));
  site.problems = site.planes.has_bridge ? site.bridge.problems : site.bridge.service;
  if (site.planes.has_forward || !site.forward.file.empty()) {
    add_new(site.problems.errors, site.forward.problems.errors);
    add_new(site.problems.warnings, site.forward.problems.warnings);
  }
  if (site.planes.has_forward) warn_of_other_store(site);
  return site;
}

}  // namespace propeller::config
