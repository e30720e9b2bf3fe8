#pragma once

#include "forward/registry_hops.hpp"

namespace propeller::forward {

/// Sends what is asked for by digest, and follows where a registry redirects it to: what comes from its storage is kept
/// under the digest that was asked for, not under an address that is signed anew each time.
///
/// Errors:   those of the client; protocol_error for too many or wrong redirects; not_allowed for where they lead.
/// Threads:  one core. Lifetime: what it is made of outlives it.
class ContentSender final : public http::Sender {
 public:
  /// `sender` follows for the mirror's registries itself.
  ContentSender(http::Sender& sender, http::Client& client, Connector& connector, PolicyPtr policy)
      : sender_(sender), hops_(client, connector, std::move(policy)) {}

  void set_policy(PolicyPtr policy) { hops_.set_policy(std::move(policy)); }
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> send(const http::Destination& destination,
                                                                    http::OutgoingRequest& request) override;

 private:
  http::Sender& sender_;
  RegistryHops hops_;
};

}  // namespace propeller::forward
