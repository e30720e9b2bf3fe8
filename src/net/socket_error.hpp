#pragma once

#include <string_view>

#include "base/error.hpp"

namespace propeller::net {

/// The error of a system call on a socket: connection_refused, host_unreachable, network_unreachable,
/// connection_reset or timeout where the network said so, else io. "cannot connect to 192.0.2.1:443: Connection
/// refused".
[[nodiscard]] std::unexpected<Error> socket_error(int code, Origin origin, std::string_view what);

}  // namespace propeller::net
