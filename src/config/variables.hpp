#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

/// The one table of everything that can be configured: it drives parsing, the flags, --help, `check`, the manual page
/// and the README's environment table.
namespace propeller::config {

enum class Group { broker, identity, registry, transfers, store, service };

[[nodiscard]] std::string_view title_of(Group group);

/// What the table's setters fill, before defaults that depend on other values are known.
struct Draft {
  Settings settings;
  std::string identity;
  std::string tenant;
  std::vector<std::string> channels;
  std::vector<TopicFamily> families;
  std::vector<ChannelProfile> profiles;
  std::optional<int> qos;
  bool is_image_size_given = false;
  std::string docker_config_dir;
  std::string config_file;
};

/// Why a value is not taken: what is allowed, as the end of "NAME=value: ...".
using Refusal = std::optional<std::string>;

struct Variable {
  std::string_view name;
  std::array<std::string_view, 2> aliases;  ///< taken when `name` is empty, in this order; empty: none
  Group group;
  std::string_view placeholder;   ///< of the flag's value: URL, FILE, N
  std::string_view default_text;  ///< for people; empty: none
  std::string_view help;
  Refusal (*set)(Draft& draft, const std::string& value);
  std::string (*show)(const Settings& settings);  ///< the effective value, secrets masked
  bool is_secret = false;                         ///< has no flag; its value is never shown
  bool is_switch = false;                         ///< a flag without value means true

  /// The name and its aliases.
  [[nodiscard]] std::vector<std::string_view> names() const;
};

[[nodiscard]] std::span<const Variable> variables();

/// "--mqtt-address" for PROXY_MQTT_ADDRESS.
[[nodiscard]] std::string flag_of(std::string_view variable_name);

}  // namespace propeller::config
