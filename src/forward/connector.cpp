#include "forward/connector.hpp"

namespace propeller::forward {

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::dial_until(std::string host, std::uint16_t port,
                                                                             Deadline deadline) {
  auto stream = co_await dialer_.dial(
      {.host = std::move(host),
       .port = port,
       .deadline = deadline,
       .policy = [policy = policy_](const boost::asio::ip::tcp::endpoint& target) -> Result<void> {
         const auto verdict = policy->access.check_address(target.address(), target.port());
         if (verdict.is_allowed) return {};
         return fail(Code::not_allowed, Origin::client, std::string(verdict.reason));
       }});
  if (!stream) co_return std::unexpected(stream.error());
  co_return std::unique_ptr<net::Stream>(std::move(*stream));
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::dial(std::string host, std::uint16_t port) {
  return dial_until(std::move(host), port, std::chrono::steady_clock::now() + connect_timeout_);
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> Connector::connect(const http::Destination& destination) {
  const auto deadline = std::chrono::steady_clock::now() + connect_timeout_;
  auto stream = co_await dial_until(destination.host, destination.port, deadline);
  if (!stream || destination.scheme != "https") co_return stream;
  net::ConnectTlsOptions options{
      .host = destination.host, .port = destination.port, .alpn = {"http/1.1"}, .deadline = deadline};
  if (destination.http2 == http::Http2Use::by_alpn) options.alpn.insert(options.alpn.begin(), "h2");
  co_return co_await tls_.connect(std::move(*stream), std::move(options));
}

}  // namespace propeller::forward
