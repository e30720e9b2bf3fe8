#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace propeller::socks {

enum class Version : std::uint8_t { v4 = 4, v5 = 5 };
enum class Command : std::uint8_t { connect = 1, bind = 2, associate = 3 };

/// The answers of SOCKS5; SOCKS4 knows only granted and not.
enum class Reply : std::uint8_t {
  succeeded = 0,
  general_failure = 1,
  not_allowed = 2,
  network_unreachable = 3,
  host_unreachable = 4,
  connection_refused = 5,
  ttl_expired = 6,
  command_not_supported = 7,
  address_not_supported = 8,
};

/// What the client wants, and of whom.
struct Request {
  Version version = Version::v5;
  Command command = Command::connect;
  std::string host;  ///< a name or an address, as text without brackets
  std::uint16_t port = 0;
};

/// What the driver has to do next.
struct Step {
  enum class Kind {
    need_more,     ///< read on and call again with the bytes not consumed, too
    send,          ///< send `reply` and call again
    authenticate,  ///< look at user() and password(), call authenticated()
    request,       ///< look at request(), do it, send reply_bytes()
    refuse,        ///< send `reply`, close the connection
  };
  Kind kind = Kind::need_more;
  std::size_t consumed = 0;  ///< bytes from the front that are dealt with
  std::string reply = {};
};

/// The server's side of a SOCKS handshake, without I/O: bytes in, steps out.
///
/// Bound:    kHandshakeBytesMax bytes for one step; a message is never longer, by its format or by refusal.
/// Errors:   refuse, with the reply the protocol has for it: no method that we accept, BIND (command_not_supported),
///           an unknown kind of address, broken messages. SOCKS4 cannot carry a password: refused where one is needed.
/// Source:   RFC 1928, RFC 1929; "SOCKS: A protocol for TCP proxy across firewalls" (4) and its extension 4A
class Handshake {
 public:
  static constexpr std::size_t kHandshakeBytesMax = 1024;

  explicit Handshake(bool needs_password) : needs_password_(needs_password) {}

  /// `bytes` are all that came and were not consumed.
  [[nodiscard]] Step advance(std::string_view bytes);
  /// The verdict on user() and password(): the step to take, send or refuse.
  [[nodiscard]] Step authenticated(bool is_right);

  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] const base::Secret& password() const { return password_; }
  [[nodiscard]] const Request& request() const { return request_; }

 private:
  enum class Phase { greeting, password, verdict, request, done };

  Step greet(std::string_view bytes);
  Step read_password(std::string_view bytes);
  Step read_request(std::string_view bytes);
  Step read_request_v4(std::string_view bytes);
  Step refuse(std::string reply);

  const bool needs_password_;
  Phase phase_ = Phase::greeting;
  std::string user_;
  base::Secret password_;
  Request request_;
};

/// The answer to a request: `bound` is the address our end has towards the target, or where we take datagrams.
[[nodiscard]] std::string reply_bytes(Version version, Reply reply, const boost::asio::ip::tcp::endpoint& bound = {});

/// The answer that fits to an error of dialling.
[[nodiscard]] Reply reply_for(const Error& error);

}  // namespace propeller::socks
