#include "forward/connector.hpp"

namespace propeller::forward {

namespace {

net::AddressPolicy address_policy(PolicyPtr policy, bool is_configured = false) {
  return [policy = std::move(policy), is_configured](const boost::asio::ip::tcp::endpoint& target) -> Result<void> {
    const auto& access = policy->access;
    const auto verdict = is_configured ? access.check_configured_address(target.address(), target.port())
                                       : access.check_address(target.address(), target.port());
    if (verdict.is_allowed) return {};
    return fail(Code::not_allowed, Origin::client, std::string(verdict.reason));
  };
}

}  // namespace

Connector::Connector(const UpstreamProxy::Network& network, PolicyPtr policy, const config::ForwardListener& settings,
                     std::shared_ptr<const MirrorTable> mirror)
    : network_(network),
      policy_(std::move(policy)),
      connect_timeout_(settings.timeouts.connect),
      no_proxy_(settings.no_proxy),
      mirror_(std::move(mirror)) {
  if (settings.upstream) upstream_.emplace(network, *settings.upstream, connect_timeout_);
}

bool Connector::goes_upstream(std::string_view host, std::uint16_t port) const {
  return upstream_ && !no_proxy_.matches(host, port);
}

void Connector::route(http::Destination& destination, http::OutgoingRequest& request) const {
  if (goes_upstream(destination.host, destination.port)) (void)upstream_->take_over(destination, request);
}

async::awaitable<void> Connector::stop() {
  if (upstream_) co_await upstream_->stop();
}

const MirrorRegistry* Connector::registry_of(const http::Destination& destination) const {
  return mirror_ && !destination.tls_profile.empty() ? mirror_->find(destination.tls_profile) : nullptr;
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::dial_until(std::string host, std::uint16_t port,
                                                                             Deadline deadline,
                                                                             net::AddressPolicy policy) {
  if (goes_upstream(host, port)) co_return co_await upstream_->tunnel(std::move(host), port, std::move(policy));
  auto stream = co_await network_.dialer.dial(
      {.host = std::move(host), .port = port, .deadline = deadline, .policy = std::move(policy)});
  if (!stream) co_return std::unexpected(stream.error());
  co_return std::unique_ptr<net::Stream>(std::move(*stream));
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::dial(std::string host, std::uint16_t port) {
  return dial_until(std::move(host), port, std::chrono::steady_clock::now() + connect_timeout_,
                    address_policy(policy_));
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::connect(const http::Destination& destination) {
  if (!destination.via.empty()) co_return co_await upstream_->connect();
  const auto deadline = std::chrono::steady_clock::now() + connect_timeout_;
  const auto* registry = registry_of(destination);
  const bool is_configured = registry != nullptr && registry->is_at(destination.host, destination.port);
  auto stream =
      co_await dial_until(destination.host, destination.port, deadline, address_policy(policy_, is_configured));
  if (!stream || destination.scheme != "https") co_return stream;
  net::ConnectTlsOptions options{
      .host = destination.host, .port = destination.port, .alpn = {"http/1.1"}, .deadline = deadline};
  if (destination.http2 == http::Http2Use::by_alpn) options.alpn.insert(options.alpn.begin(), "h2");
  auto& tls = registry != nullptr && registry->tls ? *registry->tls : network_.tls;
  co_return co_await tls.connect(std::move(*stream), std::move(options));
}

}  // namespace propeller::forward
