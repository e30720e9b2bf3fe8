#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "config/loader.hpp"

namespace propeller::config {

inline constexpr std::size_t kIdentityFileBytesMax = 256 * 1024;

/// The `[proxy]` section of the config.toml that deployments already have, as values of the variables they stand for
/// ("PROXY_PROPLET_ID" …). Other sections belong to other programs. Problems are added, with the line.
[[nodiscard]] std::map<std::string, std::string, std::less<>> read_identity_file(const std::filesystem::path& file,
                                                                                 Problems& problems);

}  // namespace propeller::config
