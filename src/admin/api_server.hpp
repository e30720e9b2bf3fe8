#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "admin/api_guard.hpp"
#include "async/task_group.hpp"
#include "http/server.hpp"
#include "net/listener.hpp"

namespace propeller::admin {

struct ApiQuestion {
  std::string parameter;  ///< what stands in the place of the path's {…}, decoded
  std::string query;      ///< without the question mark
  std::string body;
};

struct ApiAnswer {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::unique_ptr<http::BodySource> stream = {};  ///< instead of `body`: made as it is read, given up when nobody reads
};

/// One method of one path. `answer` runs on the server's core and must not block it.
struct ApiRoute {
  http::Method method = http::Method::get;
  std::string path;  ///< its last segment may be "{name}", for any that is no route by itself
  std::function<async::awaitable<ApiAnswer>(ApiQuestion question)> answer;
};

struct ApiOptions {
  boost::asio::ip::tcp::endpoint listen;
  ApiTrust trust = ApiTrust::loopback;
  Secret token;
};

/// `{"error":"..."}` and a newline.
[[nodiscard]] ApiAnswer api_problem(int status, std::string_view message);

/// The REST API of the forward proxy, over the engine of the planes.
///
/// Bound:    kConnectionsMax connections, the next one is closed at once; kBodyBytesMax of a body (413).
/// Errors:   listen(): bad_config, the port is taken or the address not ours. A caller's mistakes are answered: 401,
/// 404,
///           405 with Allow, 413, 415, and what `http::Server` refuses by itself.
/// Threads:  one core: listen() before it starts, all else on it.
/// Lifetime: stop() has returned before it goes.
/// Source:   forward-proxy reference, 1.5; RFC 9110
class ApiServer final : private http::Handler {
 public:
  static constexpr std::size_t kConnectionsMax = 128;
  static constexpr std::uint64_t kBodyBytesMax = 1024 * 1024;

  ApiServer(boost::asio::any_io_executor executor, ApiOptions options);

  /// The address it got.
  [[nodiscard]] Result<boost::asio::ip::tcp::endpoint> listen();
  void start(std::vector<ApiRoute> routes);
  async::awaitable<void> stop();
  void set_trust(ApiTrust trust) { options_.trust = trust; }

 private:
  async::awaitable<http::Response> handle(http::Request& request) override;
  async::awaitable<ApiAnswer> answer(http::Request& request, http::Fields& fields);
  [[nodiscard]] std::vector<const ApiRoute*> routes_of(std::string_view path, std::string& parameter) const;
  async::awaitable<void> accept_loop();
  async::awaitable<void> serve(std::unique_ptr<net::Stream> stream);

  ApiOptions options_;
  std::vector<ApiRoute> routes_;
  net::Listener listener_;
  http::Server server_;
  async::TaskGroup acceptors_;
  async::TaskGroup connections_;
};

}  // namespace propeller::admin
