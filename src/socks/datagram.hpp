#pragma once

#include <boost/asio/ip/udp.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace propeller::socks {

/// A datagram that a client sends through an association.
struct Datagram {
  std::string host;
  std::uint16_t port = 0;
  std::string_view payload;  ///< a part of the bytes given
};

/// Nothing for one to be dropped: broken, or a fragment (FRAG is not 0). Source: RFC 1928 section 7.
[[nodiscard]] std::optional<Datagram> parse_datagram(std::string_view bytes);

/// What stands in front of a payload that came from `source`.
[[nodiscard]] std::string datagram_header(const boost::asio::ip::udp::endpoint& source);

}  // namespace propeller::socks
