#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <string>
#include <vector>

#include "http/client.hpp"
#include "net/dialer.hpp"

namespace propeller::app {

/// A client of our own proxy, over its listener: what is asked for here has every rule that holds for others.
///
/// Errors:   of asking: those of http::Client.
/// Threads:  one core. Lifetime: outlives the bodies of its responses; stop() before the end.
class ProxyClient final : private http::Connector {
 public:
  ProxyClient(const async::asio::any_io_executor& executor, boost::asio::thread_pool& pool,
              const std::vector<boost::asio::ip::tcp::endpoint>& listeners);

  /// In origin-form, as a mirror is asked.
  [[nodiscard]] async::awaitable<Result<http::ClientResponse>> get(std::string path, http::Fields fields);
  async::awaitable<void> stop() { return client_.stop(); }

 private:
  async::awaitable<Result<std::unique_ptr<net::Stream>>> connect(const http::Destination& destination) override;

  net::Resolver resolver_;
  net::Dialer dialer_;
  http::Destination destination_;
  http::Client client_;
};

}  // namespace propeller::app
