#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "forward/policy.hpp"
#include "http/client.hpp"
#include "net/client_tls.hpp"
#include "net/dialer.hpp"

namespace propeller::forward {

/// Connects to origins: each resolved address passes the policy before it is dialled, and TLS verifies chain and name.
///
/// Errors:   not_allowed when the policy forbids every address; those of the dialer and of ClientTls.
/// Threads:  one core.
/// Lifetime: `dialer` and `tls` outlive it.
class Connector final : public http::Connector {
 public:
  Connector(net::Dialer& dialer, net::ClientTls& tls, PolicyPtr policy, std::chrono::milliseconds connect_timeout)
      : dialer_(dialer), tls_(tls), policy_(std::move(policy)), connect_timeout_(connect_timeout) {}

  void set_policy(PolicyPtr policy) { policy_ = std::move(policy); }

  async::awaitable<Result<std::unique_ptr<net::Stream>>> connect(const http::Destination& destination) override;
  /// TCP alone, for tunnels.
  async::awaitable<Result<std::unique_ptr<net::Stream>>> dial(std::string host, std::uint16_t port);

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  async::awaitable<Result<std::unique_ptr<net::Stream>>> dial_until(std::string host, std::uint16_t port,
                                                                    Deadline deadline);

  net::Dialer& dialer_;
  net::ClientTls& tls_;
  PolicyPtr policy_;
  std::chrono::milliseconds connect_timeout_;
};

}  // namespace propeller::forward
