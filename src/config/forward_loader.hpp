#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "config/forward_settings.hpp"
#include "config/loader.hpp"
#include "config/site_file.hpp"

namespace propeller::config {

inline constexpr std::string_view kSiteFileName = "propeller-proxy.yaml";

/// A variable of the forward proxy; the names of the existing proxies, and before them our own.
struct ForwardVariable {
  std::array<std::string_view, 2> names;  ///< the first that is set counts; empty: none
  std::string_view flag;
  std::string_view placeholder;
  std::string_view default_text;
  std::string_view help;
  bool is_switch = false;  ///< a flag without a value is true
};

/// CONFIG_FILE, PROXY_WORKSPACE, PROXY_PORT, API_PORT, CERT_DIR, LOG_LEVEL, LOG_FORMAT.
[[nodiscard]] std::span<const ForwardVariable> forward_variables();

struct ForwardLoaded {
  Forward settings;  ///< only to be used when there are no errors
  Problems problems;
  SiteSections sections;
  std::filesystem::path file;            ///< empty: none, `settings` begins with the built-in default
  std::filesystem::path workspace_file;  ///< laid over it; empty: none
  bool is_port_given = false;            ///< by PROXY_PORT or its flag
};

/// Flags win over the environment, the environment over the workspace's file, that over the site's, that over defaults.
/// The site's file is what --config or CONFIG_FILE names, else propeller-proxy.yaml in the working directory. Called
/// again for every reload.
[[nodiscard]] ForwardLoaded load_forward(const Environment& environment, const Flags& flags = {},
                                         const Host& host = {});

/// Without any file: registry caching on, directories where services keep their state.
[[nodiscard]] Forward builtin_forward(const Environment& environment, const Host& host);

}  // namespace propeller::config
