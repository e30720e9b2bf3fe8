#include "admin/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "observe/escape.hpp"

namespace propeller::admin {

namespace asio = async::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr std::size_t kReasonBytesMax = 500;

Answer problem(unsigned status, std::string_view text) {
  return {.status = status, .body = fmt::format("{{\"error\":{}}}\n", observe::json_string(text, kReasonBytesMax))};
}

/// What Beast's parser lets through and a server must not (RFC 9112, 3.2 and 6.1). Nothing we serve takes a body, so
/// every announcement of one is refused: then there is nothing to smuggle.
std::optional<Answer> refuse(const http::request_header<>& head) {
  if (head.count(http::field::transfer_encoding) > 0 || head.count(http::field::content_length) > 0) {
    return problem(400, "requests with a body are not taken");
  }
  const auto hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() >= 11)) return problem(400, "exactly one Host is needed");
  return std::nullopt;
}

}  // namespace

struct Server::Request {
  http::verb method;
  std::string_view path;
};

Server::Server(asio::any_io_executor executor, ServerOptions options, std::vector<Route> routes)
    : options_(std::move(options)),
      routes_(std::move(routes)),
      executor_(executor),
      acceptor_(executor),
      acceptors_(executor),
      connections_(executor) {}

Server::~Server() = default;

Result<std::uint16_t> Server::start() {
  error_code error;
  const auto address = asio::ip::make_address(options_.address, error);
  const auto describe = [&](std::string_view what) {
    return fail(Code::io, Origin::internal,
                fmt::format("cannot {} {}, port {}: {}", what, options_.address, options_.port, error.message()));
  };
  if (error) return describe("listen on");
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (error) return describe("open a socket for");
  acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return describe("prepare");
  acceptor_.bind(endpoint, error);
  if (error) return describe("listen on");
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return describe("listen on");
  const auto port = acceptor_.local_endpoint(error).port();
  acceptors_.spawn(accept_loop());
  return port;
}

async::awaitable<void> Server::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  acceptors_.cancel();
  co_await acceptors_.join();
  connections_.cancel();
  co_await connections_.join();
}

async::awaitable<void> Server::accept_loop() {
  while (acceptor_.is_open()) {
    error_code error;
    Socket socket(executor_);
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors: the peer waits in the backlog until there are some again.
      co_await async::sleep_for(kAcceptPause);
      continue;
    }
    if (connections_.size() >= options_.connections_max) continue;
    connections_.spawn(serve(std::move(socket)));
  }
}

async::awaitable<void> Server::serve(Socket socket) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(options_.header_bytes_max + 1);
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  for (bool is_first = true;; is_first = false) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
    if (!is_first && buffer.size() == 0) {
      stream.expires_after(options_.idle_deadline);
      const auto room = buffer.prepare(std::min<std::size_t>(options_.header_bytes_max, 1024));
      buffer.commit(co_await stream.async_read_some(room, token));
      if (error) co_return;
    }
    stream.expires_after(options_.request_deadline);
    co_await http::async_read_header(stream, buffer, parser, token);
    std::optional<Answer> answer;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      answer = problem(431, "the request's head is too large");
    } else if (error && error.category() == make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      answer = problem(400, "not a request of HTTP/1.1");
    } else if (error) {
      co_return;
    }
    const bool is_broken = answer.has_value();
    const auto& head = parser.get();
    if (!answer) answer = refuse(head);
    const bool is_kept = !is_broken && answer == std::nullopt && head.keep_alive();
    const std::string_view target(head.target());
    if (!answer) answer = route({.method = head.method(), .path = target.substr(0, target.find('?'))});

    http::response<http::string_body> response(static_cast<http::status>(answer->status),
                                               is_broken ? 11 : head.version());
    response.set(http::field::content_type, answer->content_type);
    response.set(http::field::cache_control, "no-store");
    if (answer->status == 405) response.set(http::field::allow, "GET, HEAD");
    response.keep_alive(is_kept);
    response.content_length(answer->body.size());
    const bool has_body = is_broken || head.method() != http::verb::head;
    if (has_body) response.body() = std::move(answer->body);
    http::response_serializer<http::string_body> serializer(response);
    stream.expires_after(options_.request_deadline);
    if (has_body) {
      co_await http::async_write(stream, serializer, token);
    } else {
      co_await http::async_write_header(stream, serializer, token);
    }
    if (error) co_return;
    if (!is_kept) {
      stream.socket().shutdown(tcp::socket::shutdown_send, error);
      co_return;
    }
  }
}

Answer Server::route(const Request& request) const {
  for (const auto& known : routes_) {
    if (known.path != request.path) continue;
    if (request.method != http::verb::get && request.method != http::verb::head) {
      return problem(405, "only GET and HEAD are taken");
    }
    return known.answer();
  }
  return problem(404, "there is nothing here");
}

}  // namespace propeller::admin
