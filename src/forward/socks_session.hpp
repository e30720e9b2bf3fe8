#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include "forward/address_range.hpp"
#include "forward/login_check.hpp"
#include "forward/policy.hpp"
#include "forward/tunnel.hpp"
#include "net/resolver.hpp"
#include "net/stream.hpp"
#include "socks/handshake.hpp"

namespace propeller::forward {

/// What a SOCKS session needs of its core. Lifetime: outlives the session.
struct SocksParts {
  Tunnels& tunnels;
  LoginCheck& logins;
  net::Resolver& resolver;
  const PolicyPtr& policy;
  std::chrono::milliseconds handshake_timeout;
  std::chrono::milliseconds udp_idle_timeout;
  std::size_t& associations;  ///< of UDP, open now on this core
};

/// One client that speaks SOCKS 4, 4a or 5, from its first byte to its end.
///
/// Order:    CONNECT is answered by Tunnels::open(): after the target was reached, but for targets that are answered
///           here, where what goes wrong becomes an answer inside.
/// Bound:    the handshake's bytes (socks::Handshake) and time; kAssociationsMax of UDP on a core.
/// Errors:   become replies (RFC 1928 section 6).
/// Threads:  one core.
class SocksSession {
 public:
  static constexpr std::size_t kAssociationsMax = 256;

  /// `reached` is our address, as the client's connection came in.
  SocksSession(const SocksParts& parts, net::Stream& client, address reached)
      : parts_(parts), client_(client), reached_(std::move(reached)) {}

  async::awaitable<void> run();

 private:
  async::awaitable<std::optional<socks::Request>> shake_hands();
  async::awaitable<socks::Step> judge(socks::Handshake& handshake, std::shared_ptr<const Users> users);
  async::awaitable<void> connect(const socks::Request& request);
  async::awaitable<void> associate();
  async::awaitable<void> refuse(std::string_view reply);

  const SocksParts& parts_;
  net::Stream& client_;
  const address reached_;
};

}  // namespace propeller::forward
