#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "forward/mirror_table.hpp"
#include "forward/no_proxy.hpp"
#include "forward/policy.hpp"
#include "forward/upstream_proxy.hpp"
#include "http/client.hpp"
#include "net/client_tls.hpp"
#include "net/dialer.hpp"

namespace propeller::forward {

/// Connects to origins, straight or through the upstream proxy: each address that we resolve passes the policy before
/// it is dialled, and TLS verifies chain and name. A destination whose `tls_profile` is one of the mirror's registries
/// is trusted as that one is, and its own host is reached wherever it is.
///
/// Errors:   not_allowed when the policy forbids every address; those of the dialer, of UpstreamProxy and of ClientTls.
/// Threads:  one core.
/// Lifetime: `network` outlives it; stop() before the end.
class Connector final : public http::Connector {
 public:
  Connector(const UpstreamProxy::Network& network, PolicyPtr policy, const config::ForwardListener& settings,
            std::shared_ptr<const MirrorTable> mirror = {});

  void set_policy(PolicyPtr policy) { policy_ = std::move(policy); }

  async::awaitable<Result<std::unique_ptr<net::Stream>>> connect(const http::Destination& destination) override;
  /// Without TLS, for tunnels.
  async::awaitable<Result<std::unique_ptr<net::Stream>>> dial(std::string host, std::uint16_t port);
  /// What is asked of the upstream proxy itself goes there: call it before a request is sent.
  void route(http::Destination& destination, http::OutgoingRequest& request) const;
  async::awaitable<void> stop();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  [[nodiscard]] bool goes_upstream(std::string_view host, std::uint16_t port) const;
  async::awaitable<Result<std::unique_ptr<net::Stream>>> dial_until(std::string host, std::uint16_t port,
                                                                    Deadline deadline, net::AddressPolicy policy);
  [[nodiscard]] const MirrorRegistry* registry_of(const http::Destination& destination) const;

  const UpstreamProxy::Network network_;
  PolicyPtr policy_;
  const std::chrono::milliseconds connect_timeout_;
  std::optional<UpstreamProxy> upstream_;
  const NoProxy no_proxy_;
  const std::shared_ptr<const MirrorTable> mirror_;  ///< null: there is no mirror
};

}  // namespace propeller::forward
