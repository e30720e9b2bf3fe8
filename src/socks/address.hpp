#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace propeller::socks {

/// An address as SOCKS5 writes it: kind, name or number, port (RFC 1928 section 5).
struct Address {
  enum class State {
    incomplete,
    unknown_kind,
    broken,  ///< a name that is none
    complete,
  };
  State state = State::incomplete;
  std::size_t size = 0;  ///< bytes it takes, when complete
  std::string host = {};
  std::uint16_t port = 0;
};

/// Reads the address at the beginning of `bytes`.
[[nodiscard]] Address parse_address(std::string_view bytes);
void append_address(std::string& to, const boost::asio::ip::address& address, std::uint16_t port);

/// What may be a host: letters, digits, and what stands in names and addresses; at most 255 bytes, no blanks, no
/// control characters.
[[nodiscard]] bool is_host(std::string_view text);

}  // namespace propeller::socks
