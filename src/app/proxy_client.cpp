#include "app/proxy_client.hpp"

#include <algorithm>

namespace propeller::app {

namespace {

using boost::asio::ip::tcp;

constexpr std::chrono::seconds kConnectTimeout{5};

/// Loopback rather than anything else.
tcp::endpoint nearest(const std::vector<tcp::endpoint>& listeners) {
  const auto is_near = [](const tcp::endpoint& each) {
    return each.address().is_loopback() || each.address().is_unspecified();
  };
  const auto found = std::ranges::find_if(listeners, is_near);
  return found != listeners.end() ? *found : listeners.empty() ? tcp::endpoint() : listeners.front();
}

http::Destination destination_of(const tcp::endpoint& listener) {
  const auto& address = listener.address();
  const std::string loopback = address.is_v6() ? "::1" : "127.0.0.1";
  return {.host = address.is_unspecified() ? loopback : address.to_string(), .port = listener.port()};
}

}  // namespace

ProxyClient::ProxyClient(const async::asio::any_io_executor& executor, boost::asio::thread_pool& pool,
                         const std::vector<tcp::endpoint>& listeners)
    : resolver_(executor, pool),
      dialer_(executor, resolver_),
      destination_(destination_of(nearest(listeners))),
      client_(executor, *this, {}) {}

async::awaitable<Result<http::ClientResponse>> ProxyClient::get(std::string path, http::Fields fields) {
  // A name that is nobody's but ours: the mirror's own.
  http::OutgoingRequest request{.authority = "localhost", .path = std::move(path), .fields = std::move(fields)};
  co_return co_await client_.send(destination_, request);
}

async::awaitable<Result<std::unique_ptr<net::Stream>>> ProxyClient::connect(const http::Destination& destination) {
  co_return co_await dialer_.dial({.host = destination.host,
                                   .port = destination.port,
                                   .deadline = std::chrono::steady_clock::now() + kConnectTimeout});
}

}  // namespace propeller::app
