#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace propeller::socks {

/// What a client wants of a SOCKS5 proxy.
struct ConnectWish {
  std::string host;  ///< a name of at most 255 bytes, or an address, without brackets
  std::uint16_t port = 0;
  std::string user;  ///< of 1 to 255 bytes; empty: no login is offered
  base::Secret password;
};

/// What the driver of a ClientHandshake has to do next.
struct ClientStep {
  enum class Kind {
    need_more,    ///< read on and call again with the bytes not consumed, too
    send,         ///< send `bytes` and call again
    established,  ///< what comes next is the target's
    failed,       ///< close the connection
  };
  Kind kind = Kind::need_more;
  std::size_t consumed = 0;  ///< bytes from the front that are dealt with
  std::string bytes = {};
  Error error = {};
};

/// The client's side of a SOCKS5 handshake, without I/O: bytes in, steps out. The first call needs no bytes.
///
/// Bound:    kAnswerBytesMax bytes for one step; no answer is longer.
/// Errors:   of Origin::upstream: protocol_error; unauthorized when no login is taken or ours is wrong; for a refused
///           request not_allowed, connection_refused, host_unreachable, network_unreachable.
/// Source:   RFC 1928, RFC 1929
class ClientHandshake {
 public:
  static constexpr std::size_t kAnswerBytesMax = 4 + 1 + 255 + 2;

  explicit ClientHandshake(ConnectWish wish) : wish_(std::move(wish)) {}

  /// `bytes` are all that came and were not consumed.
  [[nodiscard]] ClientStep advance(std::string_view bytes);

 private:
  enum class Phase { start, method, login, answer, done };

  ClientStep greet();
  ClientStep read_method(std::string_view bytes);
  ClientStep read_login(std::string_view bytes);
  ClientStep read_answer(std::string_view bytes);
  [[nodiscard]] std::string request() const;
  ClientStep refuse(Code code, std::string detail);

  ConnectWish wish_;
  Phase phase_ = Phase::start;
};

}  // namespace propeller::socks
