#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "registry/credentials.hpp"

namespace propeller::registry {

/// What Docker's config.json says about registries.
struct DockerConfig {
  std::map<std::string, Credentials, std::less<>> auths;    ///< by host[:port]
  std::map<std::string, std::string, std::less<>> helpers;  ///< host[:port] to the helper's name
  std::string store;                                        ///< helper for all others, or empty
};

inline constexpr std::size_t kDockerConfigBytesMax = 1024 * 1024;

/// Errors: bad_config, with what is wrong; never the content.
[[nodiscard]] Result<DockerConfig> parse_docker_config(std::string_view json);

/// The name under which Docker files a registry: without scheme and path, Docker Hub as "docker.io".
[[nodiscard]] std::string docker_key(std::string_view server);

/// What a helper is asked for: the host, for Docker Hub "https://index.docker.io/v1/".
[[nodiscard]] std::string helper_server(std::string_view docker_key);

/// A helper's name is part of a program's name that is looked for in PATH: no slashes, no leading dots or dashes.
[[nodiscard]] bool is_helper_name(std::string_view name);

/// Takes the helper's output apart ({"Username": …, "Secret": …}). Errors: unauthorized.
[[nodiscard]] Result<Credentials> parse_helper_output(std::string_view json);

}  // namespace propeller::registry
