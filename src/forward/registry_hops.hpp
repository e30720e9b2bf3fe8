#pragma once

#include "forward/connector.hpp"
#include "forward/mirror_table.hpp"
#include "forward/policy.hpp"
#include "http/client.hpp"

namespace propeller::forward {

/// Sends what a registry makes us ask elsewhere: its token server, the storage that it redirects to. Such a host is
/// checked like any that a client names, unless it is the own one of a registry of the mirror.
///
/// Errors:   not_allowed; those of the client; protocol_error for too many or wrong redirects.
/// Threads:  one core. Lifetime: `client` and `connector` outlive it.
class RegistryHops {
 public:
  RegistryHops(http::Client& client, Connector& connector, PolicyPtr policy)
      : client_(client), connector_(connector), policy_(std::move(policy)) {}

  void set_policy(PolicyPtr policy) { policy_ = std::move(policy); }
  /// By way of the upstream proxy where `destination` is reached by that.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> ask(http::Destination destination,
                                                                   http::OutgoingRequest& request) const;
  /// `registry` is null for one that the client itself named.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> send(const MirrorRegistry* registry, const http::Uri& to,
                                                                    http::OutgoingRequest& request) const;
  /// What is at the end of the redirect `answer`, which is what `at` said to `request`: after kRedirectsMax at most.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> follow(const MirrorRegistry* registry, http::Uri at,
                                                                      http::ClientResponse answer,
                                                                      const http::OutgoingRequest& request) const;

 private:
  http::Client& client_;
  Connector& connector_;
  PolicyPtr policy_;
};

/// Reads what is left of an answer that nobody gets: its connection serves again where that is short.
async::awaitable<void> pass_over(http::ClientResponse answer);

/// The answer with its Docker-Content-Digest. What the path names neither registries nor storage need say; what a tag
/// stands for is the hash of what came, which is read whole for that: of kManifestBytesMax, and announced.
/// Errors: those of the body.
[[nodiscard]] async::awaitable<Result<http::ClientResponse>> with_digest(const http::OutgoingRequest& request,
                                                                         http::ClientResponse answer);

}  // namespace propeller::forward
