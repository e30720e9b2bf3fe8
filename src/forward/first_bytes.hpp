#pragma once

#include <cstddef>
#include <string_view>

#include "net/client_hello.hpp"

namespace propeller::forward {

/// What a connection to the proxy speaks, by its first byte.
enum class Protocol { http, tls, socks, unknown };
[[nodiscard]] Protocol protocol_of(char first);

/// What a client says first in a tunnel, and so who serves it.
struct TunnelStart {
  enum class Kind {
    incomplete,  ///< look again with more bytes
    tls,
    http,   ///< a request for an origin: "GET /… HTTP/1.1"
    other,  ///< HTTP/2 in the clear and requests for a proxy, too: not for us to read
  };
  Kind kind = Kind::incomplete;
  bool is_surely_tls = false;   ///< also while incomplete: no other protocol begins so
  net::ClientHello hello = {};  ///< of Kind::tls
};

/// More than this is neither a ClientHello nor the first line of a request that we would take.
inline constexpr std::size_t kTunnelStartBytesMax = net::kClientHelloBytesMax;

[[nodiscard]] TunnelStart look_at_tunnel(std::string_view bytes);

}  // namespace propeller::forward
