#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "async/core.hpp"
#include "async/task_group.hpp"
#include "base/error.hpp"

namespace propeller::admin {

struct Answer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
};

/// One path and what is said there. The function runs on the server's core and must not block.
struct Route {
  std::string path;
  std::function<Answer()> answer;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;               ///< 0: the kernel picks one
  std::size_t connections_max = 64;     ///< one more is closed at once
  std::size_t header_bytes_max = 8192;  ///< of a request; more is answered with 431
  std::chrono::milliseconds request_deadline{
      5'000};                                       ///< from the first wait to the end of the head, and for the answer
  std::chrono::milliseconds idle_deadline{15'000};  ///< between requests of one connection
};

/// Answers GET and HEAD on a fixed list of paths: health, readiness, metrics.
///
/// Bound:    connections_max, header_bytes_max, and no request bodies at all: Content-Length or Transfer-Encoding is
///           answered 400.
/// Errors:   start() says why it cannot listen (io). A peer's mistakes are answered 400, 404, 405 or 431; its slowness
///           ends its connection.
/// Threads:  start() before the core starts or on it; stop() on the core.
/// Lifetime: stop() has returned before it goes.
/// Source:   RFC 9112
class Server {
 public:
  Server(async::asio::any_io_executor executor, ServerOptions options, std::vector<Route> routes);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens; the port it got.
  [[nodiscard]] Result<std::uint16_t> start();
  async::awaitable<void> stop();

 private:
  struct Request;
  using Socket = async::asio::ip::tcp::socket;

  async::awaitable<void> accept_loop();
  async::awaitable<void> serve(Socket socket);
  [[nodiscard]] Answer route(const Request& request) const;

  const ServerOptions options_;
  const std::vector<Route> routes_;
  async::asio::any_io_executor executor_;
  async::asio::ip::tcp::acceptor acceptor_;
  async::TaskGroup acceptors_;
  async::TaskGroup connections_;
};

}  // namespace propeller::admin
