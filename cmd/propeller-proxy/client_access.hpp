#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "command.hpp"
#include "launch/client_variables.hpp"

/// What `env`, `exec` and `init` share: where the proxy is for a client, and whether it is there.
namespace propeller::cmd {

/// `host`: under which name clients reach the proxy; empty: what it listens on, loopback rather than anything else.
/// Makes the bundle of authorities, or brings it up to date. What a client should know is a warning on standard error.
/// Errors: bad_config: the port is only known when it runs; io: there is no authority.
[[nodiscard]] Result<launch::ProxyAccess> access_of(const Call& call, const config::Forward& settings,
                                                    const std::string& host = {});

/// Asks the API of the proxy until it answers. `pause` waits between two questions; false: there is no point any more.
[[nodiscard]] bool wait_until_healthy(const config::Api& api, std::chrono::milliseconds limit,
                                      const std::function<bool(std::chrono::milliseconds)>& pause);

/// The call's environment with the variables of a client, as execve() takes it.
[[nodiscard]] std::vector<std::string> environment_with(const Call& call, const launch::Variables& variables);

/// A flag's duration. Nothing, after a usage error, when it is none or more than an hour.
[[nodiscard]] std::optional<std::chrono::milliseconds> duration_flag(std::string_view command, const Parsed& flags,
                                                                     std::string_view flag,
                                                                     std::chrono::milliseconds fallback);

}  // namespace propeller::cmd
