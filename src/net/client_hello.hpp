#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::net {

/// What the first bytes of a connection say about TLS.
struct ClientHello {
  enum class State {
    incomplete,  ///< TLS so far: look again with more bytes
    not_tls,     ///< not a ClientHello, or a broken one
    complete,
  };
  State state = State::incomplete;
  std::string server_name = {};        ///< by SNI, in lower case; empty when there is none
  std::vector<std::string> alpn = {};  ///< in the client's order
};

/// More than this is no ClientHello, so no more needs to be read for one (the largest with post-quantum keys have 2 to
/// 4 KiB).
inline constexpr std::size_t kClientHelloBytesMax = 16 * 1024;
inline constexpr std::size_t kAlpnNamesMax = 32;

/// Reads a ClientHello at the beginning of `bytes`, be it in one record or in many. A name that is no host name is left
/// out. Source: RFC 8446 4.1.2 and 5.1, RFC 6066 3, RFC 7301 3.1.
[[nodiscard]] ClientHello parse_client_hello(std::string_view bytes);

}  // namespace propeller::net
