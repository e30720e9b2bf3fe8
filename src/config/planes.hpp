#pragma once

#include "config/forward_loader.hpp"
#include "config/loader.hpp"

namespace propeller::config {

/// Which planes run in this process.
struct Planes {
  bool has_bridge = false;
  bool has_forward = false;
  bool is_builtin_default = false;  ///< nothing at all is configured: a line in the log says what runs instead

  friend bool operator==(const Planes&, const Planes&) = default;
};

/// What is configured, as far as it decides.
struct PlanesGiven {
  bool has_mqtt = false;        ///< any value of the broker's or the identity's group
  bool has_bridge_use = false;  ///< any of the registry's or the transfers' group; DOCKER_CONFIG is for every program
  bool has_site_file = false;
  bool has_proxy_section = false;
  bool has_cache_section = false;
  bool has_proxy_port = false;
};

/// A plane runs when it is configured: the bridge with any MQTT value (and then all that it needs have to be there,
/// which load() checks), the proxy with `proxy:`, `cache:`, `mirror:` or PROXY_PORT. When neither is, values that only
/// the bridge has a use for mean the bridge; else it is the proxy.
[[nodiscard]] Planes decide_planes(const PlanesGiven& given);

/// What the two loaders found.
[[nodiscard]] PlanesGiven what_is_given(const Loaded& bridge, const ForwardLoaded& forward);

/// Everything that is configured, and what of it runs.
struct SiteLoaded {
  Loaded bridge;
  ForwardLoaded forward;
  Planes planes;
  Problems problems;  ///< of the planes that run, and of a file that is named or lies there, each told once
};

/// Problems of a plane that does not run are nobody's; but a file that is there has to be right, since a mistake in it
/// may be why its plane does not run.
[[nodiscard]] SiteLoaded load_site(const Environment& environment, const Flags& flags = {}, const Host& host = {});

}  // namespace propeller::config
