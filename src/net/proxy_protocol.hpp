#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <optional>
#include <string_view>

namespace propeller::net {

/// What a proxy in front of us says about the client it speaks for, in versions 1 (text) and 2 (binary).
struct ProxyHeader {
  enum class State {
    incomplete,  ///< a header so far: look again with more bytes
    absent,      ///< the connection does not begin with one
    broken,      ///< it begins like one; the connection has to be closed
    complete,
  };
  struct Endpoints {
    boost::asio::ip::tcp::endpoint client, server;
  };
  State state = State::incomplete;
  std::size_t size = 0;  ///< bytes of the header, when complete; what follows is the connection's
  /// Nothing when the proxy speaks for itself (LOCAL, UNKNOWN, not TCP): the connection's own endpoints hold.
  std::optional<Endpoints> endpoints = {};
};

inline constexpr std::size_t kProxyHeaderBytesMax = 4096;

/// Reads a header at the beginning of `bytes`. It may only be trusted from addresses that are configured.
/// Source: "The PROXY protocol", versions 1 and 2, sections 2.1 and 2.2.
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace propeller::net
