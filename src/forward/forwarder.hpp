#pragma once

#include <chrono>
#include <string>

#include "forward/connector.hpp"
#include "forward/policy.hpp"
#include "http/client.hpp"
#include "http/server.hpp"

namespace propeller::forward {

/// Where a request goes, as it was verified: from its absolute target, or from the tunnel it came through.
struct Target {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case, without brackets
  std::uint16_t port = 80;
  /// What Host says, where the client asked an address, in the clear, for a name: told to the origin, believed by
  /// nobody here. What is kept of it must not be found under the name.
  std::string claimed_authority = {};

  /// "host", or "host:port" where the port is not the scheme's; an IPv6 address in brackets.
  [[nodiscard]] std::string authority() const;
};

/// Sends one request on and brings its response back: checks the target, strips what concerns one connection only,
/// applies the header rules of the target, streams both bodies, passes on 1xx, trailers and upgrades.
///
/// Errors:  become answers with Proxy-Status (RFC 9209).
/// Threads: one core.
/// Lifetime: `client` and its connector outlive it.
/// Source:  RFC 9110 section 7.6
class Forwarder {
 public:
  /// `tunnel_idle`: how long an upgraded connection may carry nothing.
  Forwarder(http::Client& client, Connector& connector, std::chrono::milliseconds tunnel_idle)
      : client_(client), connector_(connector), tunnel_idle_(tunnel_idle) {}

  async::awaitable<http::Response> forward(http::Request& request, Target target, PolicyPtr policy);

 private:
  http::Client& client_;
  Connector& connector_;
  const std::chrono::milliseconds tunnel_idle_;
};

/// The answer to a request that failed, or that is refused.
[[nodiscard]] http::Response error_response(const Error& error);

}  // namespace propeller::forward
