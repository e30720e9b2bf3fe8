#include "forward/connector.hpp"

namespace propeller::forward {

namespace {

net::AddressPolicy address_policy(PolicyPtr policy) {
  return [policy = std::move(policy)](const boost::asio::ip::tcp::endpoint& target) -> Result<void> {
    const auto verdict = policy->access.check_address(target.address(), target.port());
    if (verdict.is_allowed) return {};
    return fail(Code::not_allowed, Origin::client, std::string(verdict.reason));
  };
}

}  // namespace

Connector::Connector(const UpstreamProxy::Network& network, PolicyPtr policy, const config::ForwardListener& settings)
    : network_(network),
      policy_(std::move(policy)),
      connect_timeout_(settings.timeouts.connect),
      no_proxy_(settings.no_proxy) {
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

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::dial_until(std::string host, std::uint16_t port,
                                                                             Deadline deadline) {
  if (goes_upstream(host, port)) co_return co_await upstream_->tunnel(std::move(host), port, address_policy(policy_));
  auto stream = co_await network_.dialer.dial(
      {.host = std::move(host), .port = port, .deadline = deadline, .policy = address_policy(policy_)});
  if (!stream) co_return std::unexpected(stream.error());
  co_return std::unique_ptr<net::Stream>(std::move(*stream));
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::dial(std::string host, std::uint16_t port) {
  return dial_until(std::move(host), port, std::chrono::steady_clock::now() + connect_timeout_);
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::connect(const http::Destination& destination) {
  if (!destination.via.empty()) co_return co_await upstream_->connect();
  const auto deadline = std::chrono::steady_clock::now() + connect_timeout_;
  auto stream = co_await dial_until(destination.host, destination.port, deadline);
  if (!stream || destination.scheme != "https") co_return stream;
  net::ConnectTlsOptions options{
      .host = destination.host, .port = destination.port, .alpn = {"http/1.1"}, .deadline = deadline};
  if (destination.http2 == http::Http2Use::by_alpn) options.alpn.insert(options.alpn.begin(), "h2");
  co_return co_await network_.tls.connect(std::move(*stream), std::move(options));
}

}  // namespace propeller::forward
