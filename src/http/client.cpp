#include "http/client.hpp"

#include <fmt/format.h>

#include "http/client_connection.hpp"
#include "http/http2_client.hpp"

namespace propeller::http {

namespace {

bool is_broken_connection(const Error& error) {
  return error.origin == Origin::upstream && (error.code == Code::connection_reset || error.code == Code::io ||
                                              error.code == Code::disconnected || error.code == Code::tls_failed);
}

/// Twice is as good as once. Source: RFC 9110 section 9.2.2
bool may_ask_again(const OutgoingRequest& request) { return is_idempotent(parse_method(request.method)); }

}  // namespace

std::string Destination::key() const {
  return fmt::format("{}://{}:{} {} {} {}", scheme, host, port, via, tls_profile, static_cast<int>(http2));
}

Client::Client(async::asio::any_io_executor executor, Connector& connector, ClientLimits limits)
    : connector_(connector), pool_(std::make_unique<ClientPool>(std::move(executor), limits)) {}

Client::~Client() = default;

awaitable<Result<ClientResponse>> Client::send(const Destination& destination, OutgoingRequest& request) {
  const std::string key = destination.key();
  if (const auto connection = pool_->find_http2(key)) {
    const bool has_body = request.body != nullptr;
    auto attempt = co_await connection->exchange(destination.scheme, request);
    const bool is_body_there = has_body == (request.body != nullptr);
    const bool is_asked_again = attempt.was_unworked || (attempt.was_cut_off && may_ask_again(request));
    if (attempt.response || !is_asked_again || !is_body_there) co_return std::move(attempt.response);
  } else if (const auto idle = pool_->take(key)) {
    auto response = co_await idle->exchange(request);
    const bool is_asked_again =
        !response && is_broken_connection(response.error()) && idle->is_retry_safe() && may_ask_again(request);
    if (!is_asked_again) co_return response;
  }
  co_return co_await send_on_new_connection(destination, key, request);
}

awaitable<Result<ClientResponse>> Client::send_on_new_connection(const Destination& destination, const std::string& key,
                                                                 OutgoingRequest& request) {
  if (pool_->open() >= pool_->limits().connections_max) {
    co_return fail(Code::limit_exceeded, Origin::internal, "too many connections to upstreams");
  }
  ClientPool::Slot slot(*pool_);
  auto stream = co_await connector_.connect(destination);
  if (!stream) co_return std::unexpected(stream.error());
  const auto& tls = (*stream)->info().tls;
  if (destination.http2 == Http2Use::assumed || (tls && tls->alpn == "h2")) {
    const auto connection = std::make_shared<Http2ClientConnection>(*pool_, std::move(slot), std::move(*stream));
    pool_->add_http2(key, connection);
    auto attempt = co_await connection->exchange(destination.scheme, request);
    co_return std::move(attempt.response);
  }
  const auto connection = std::make_shared<ClientConnection>(*pool_, std::move(slot), key, std::move(*stream));
  co_return co_await connection->exchange(request);
}

awaitable<void> Client::stop() { co_await pool_->stop(); }

std::size_t Client::idle() const { return pool_->idle(); }

std::size_t Client::open() const { return pool_->open(); }

}  // namespace propeller::http
