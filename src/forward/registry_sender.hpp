#pragma once

#include <list>
#include <unordered_map>

#include "forward/registry_hops.hpp"
#include "forward/registry_login.hpp"

namespace propeller::forward {

/// Sends the mirror's requests to their registries: logs in where the caller has brought nothing to log in with,
/// follows redirects, fills in a missing Docker-Content-Digest. Whoever else's requests it sends as they are.
///
/// A caller's own Authorization goes through untouched, and so does the 401 to it. Without a login that helps, the
/// registry's own 401 is the answer.
/// Order:    the registry, once more with a login after its 401, then at most kRedirectsMax redirects.
/// Errors:   those of the client; protocol_error for too many or wrong redirects; not_allowed for where they lead.
/// Threads:  one core. Lifetime: what it is made of outlives it; stop() after the last request.
class RegistrySender final : public http::Sender {
 public:
  RegistrySender(const async::asio::any_io_executor& executor, http::Client& client, Connector& connector,
                 PolicyPtr policy, std::shared_ptr<const MirrorTable> table);

  void set_policy(PolicyPtr policy) { hops_.set_policy(std::move(policy)); }
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> send(const http::Destination& destination,
                                                                    http::OutgoingRequest& request) override;
  async::awaitable<void> stop();

 private:
  async::awaitable<Result<http::ClientResponse>> send_with_login(const MirrorRegistry& registry,
                                                                 const http::Destination& destination,
                                                                 http::OutgoingRequest& request);

  RegistryHops hops_;
  const std::shared_ptr<const MirrorTable> table_;  ///< null: there is no mirror
  std::unordered_map<const MirrorRegistry*, RegistryLogin> logins_;
};

}  // namespace propeller::forward
