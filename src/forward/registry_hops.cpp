#include "forward/registry_hops.hpp"

namespace propeller::forward {

async::awaitable<Result<http::ClientResponse>> RegistryHops::send(const MirrorRegistry& registry, const http::Uri& to,
                                                                  http::OutgoingRequest& request) const {
  const auto& access = policy_->access;
  const auto verdict =
      registry.is_at(to.host, to.port) ? access.check_configured_host(to.host) : access.check_host(to.host, to.port);
  if (!verdict.is_allowed) co_return fail(Code::not_allowed, Origin::client, std::string(verdict.reason));
  http::Destination destination{.scheme = to.scheme, .host = to.host, .port = to.port, .tls_profile = registry.name};
  connector_.route(destination, request);
  co_return co_await client_.send(destination, request);
}

}  // namespace propeller::forward
