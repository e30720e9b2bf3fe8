#pragma once

#include "forward/connector.hpp"
#include "forward/mirror_table.hpp"
#include "forward/policy.hpp"
#include "http/client.hpp"

namespace propeller::forward {

/// Sends what a registry of the mirror makes us ask elsewhere: its token server, the storage that it redirects to. Such
/// a host is checked like any that a client names, unless it is the registry's own.
///
/// Errors:   not_allowed; those of the client.
/// Threads:  one core. Lifetime: `client` and `connector` outlive it.
class RegistryHops {
 public:
  RegistryHops(http::Client& client, Connector& connector, PolicyPtr policy)
      : client_(client), connector_(connector), policy_(std::move(policy)) {}

  void set_policy(PolicyPtr policy) { policy_ = std::move(policy); }
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> send(const MirrorRegistry& registry, const http::Uri& to,
                                                                    http::OutgoingRequest& request) const;

 private:
  http::Client& client_;
  Connector& connector_;
  PolicyPtr policy_;
};

}  // namespace propeller::forward
