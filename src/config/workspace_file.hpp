#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "config/yaml_section.hpp"

/// A file that whoever works in a directory may write, laid over the site's own.
///
/// It comes with what is checked out there, so nobody has to have read it: unless it is trusted, it may say only what
/// makes the cache and the waiting different, and nothing about who is served, what is reached with which secrets, what
/// is seen and written down, or where anything lies.
namespace propeller::config {

/// .discobot/proxy/config.yaml of the directory, else .propeller/proxy.yaml; nothing when neither is there.
[[nodiscard]] std::optional<std::filesystem::path> find_workspace_file(const std::filesystem::path& directory);

/// What a file that is not trusted may say, as paths. A key that is not listed is not heeded, a new one neither.
[[nodiscard]] std::span<const std::string_view> untrusted_keys();

/// Takes everything else out of it, with a warning for each.
void take_untrusted_keys_only(YamlNode& root, YamlReport& report);

/// The site's file with the keys of the workspace's instead of its own. A list and a table (`proxy.bandwidth`, the rule
/// of a pattern) is one value, and replaced whole.
[[nodiscard]] YamlNode lay_over(YamlNode site, const YamlNode& workspace);

}  // namespace propeller::config
