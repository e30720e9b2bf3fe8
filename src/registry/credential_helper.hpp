#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.hpp"
#include "registry/credentials.hpp"

namespace propeller::registry {

inline constexpr std::chrono::seconds kHelperTimeout{10};
inline constexpr std::size_t kHelperOutputBytesMax = 64 * 1024;

/// Asks `docker-credential-<name> get` for a server's credentials: no shell, the program from PATH, its output bounded,
/// killed after kHelperTimeout or when `stop` is asked for. Nothing when the helper does not know the server.
/// Blocking: for a pool's thread. Errors: unauthorized, without the helper's output. Source: docker-credential-helpers
[[nodiscard]] Result<std::optional<Credentials>> ask_helper(std::string name, std::string server, std::stop_token stop);

}  // namespace propeller::registry
