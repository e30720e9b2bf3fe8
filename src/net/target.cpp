#include "net/target.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

namespace propeller::net {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using async::awaitable;
using boost::system::error_code;
using TlsStream = asio::ssl::stream<tcp::socket>;

// Masking copies through this buffer; a frame as large as it is a good size for the other side too.
constexpr std::size_t kFrameBytes = 64 * 1024;

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

std::unexpected<Error> refuse(std::string detail) {
  return fail(Code::disconnected, Origin::upstream, std::move(detail));
}

tcp::socket& socket_of(tcp::socket& stream) { return stream; }
tcp::socket& socket_of(TlsStream& stream) { return stream.next_layer(); }

void close_socket(tcp::socket& socket) {
  error_code ignored;
  socket.close(ignored);
}

std::string name_of(const TargetOptions& options) { return fmt::format("{}:{}", options.host, options.port); }

std::string tls_reason(TlsStream& stream, const error_code& error) {
  const long verified = ::SSL_get_verify_result(stream.native_handle());
  if (verified != X509_V_OK) return ::X509_verify_cert_error_string(verified);
  return error == asio::ssl::error::stream_truncated || error == asio::error::eof ? "it closed the connection"
                                                                                  : error.message();
}

awaitable<Result<void>> start_tls(tcp::socket&, const TargetOptions&) { co_return Result<void>{}; }

awaitable<Result<void>> start_tls(TlsStream& stream, const TargetOptions& options) {
  error_code error;
  co_await stream.async_handshake(TlsStream::client, into(error));
  if (error) co_return refuse(fmt::format("no TLS with {}: {}", name_of(options), tls_reason(stream, error)));
  co_return Result<void>{};
}

/// TCP or TLS without a frame around the bytes.
template <class Stream>
class PlainTarget final : public Target {
 public:
  PlainTarget(Stream stream, TargetOptions options) : stream_(std::move(stream)), options_(std::move(options)) {}

  awaitable<Result<void>> handshake() override { return start_tls(stream_, options_); }

  awaitable<Transfer> read_some(asio::mutable_buffer room) override {
    Transfer result;
    result.bytes = co_await stream_.async_read_some(room, into(result.error));
    // Many servers leave without TLS's goodbye; what MQTT lost by that it finds out itself.
    if (result.error == asio::ssl::error::stream_truncated) result.error = asio::error::eof;
    co_return result;
  }

  awaitable<Transfer> write_some(asio::const_buffer bytes) override {
    Transfer result;
    result.bytes = co_await stream_.async_write_some(bytes, into(result.error));
    co_return result;
  }

  Transfer write_now(asio::const_buffer bytes) override {
    Transfer result{.error = asio::error::would_block};
    if constexpr (std::is_same_v<Stream, tcp::socket>) result.bytes = stream_.write_some(bytes, result.error);
    return result;
  }

  awaitable<void> finish() override {
    error_code ignored;
    if constexpr (std::is_same_v<Stream, TlsStream>) co_await stream_.async_shutdown(into(ignored));
    socket_of(stream_).shutdown(tcp::socket::shutdown_send, ignored);
  }

  void close() override { close_socket(socket_of(stream_)); }

 private:
  Stream stream_;
  const TargetOptions options_;
};

template <class Stream>
class WebSocketTarget final : public Target {
 public:
  WebSocketTarget(Stream stream, TargetOptions options) : stream_(std::move(stream)), options_(std::move(options)) {
    stream_.binary(true);
    stream_.auto_fragment(false);
    stream_.write_buffer_bytes(kFrameBytes);
    // Frames are passed on piece by piece, so their size is no matter of memory here.
    stream_.read_message_max(0);
    stream_.set_option(beast::websocket::stream_base::decorator(
        [protocol = options_.web_socket->subprotocol](beast::websocket::request_type& request) {
          request.set(beast::http::field::sec_websocket_protocol, protocol);
        }));
  }

  awaitable<Result<void>> handshake() override {
    if (auto started = co_await start_tls(stream_.next_layer(), options_); !started) co_return started;
    error_code error;
    beast::websocket::response_type response;
    co_await stream_.async_handshake(response, name_of(options_), options_.web_socket->path, into(error));
    if (!error) co_return Result<void>{};
    co_return refuse(fmt::format("no WebSocket with {}: {}{}", name_of(options_), error.message(),
                                 error == beast::websocket::error::upgrade_declined
                                     ? fmt::format(" (HTTP {})", response.result_int())
                                     : std::string()));
  }

  awaitable<Transfer> read_some(asio::mutable_buffer room) override {
    Transfer result;
    while (result.bytes == 0 && !result.error)
      result.bytes = co_await stream_.async_read_some(room, into(result.error));
    if (result.error == beast::websocket::error::closed) result.error = asio::error::eof;
    co_return result;
  }

  awaitable<Transfer> write_some(asio::const_buffer bytes) override {
    Transfer result;
    result.bytes = co_await stream_.async_write_some(true, asio::buffer(bytes, kFrameBytes), into(result.error));
    co_return result;
  }

  Transfer write_now(asio::const_buffer) override { return {.error = asio::error::would_block}; }

  awaitable<void> finish() override {
    error_code ignored;
    co_await stream_.async_close(beast::websocket::close_code::normal, into(ignored));
  }

  void close() override { close_socket(socket_of(stream_.next_layer())); }

 private:
  beast::websocket::stream<Stream> stream_;
  const TargetOptions options_;
};

/// What the certificate has to carry, and what a server with several certificates chooses by.
void expect_name(TlsStream& stream, const std::string& host) {
  SSL* const ssl = stream.native_handle();
  if (::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str()) == 1) return;
  ::ERR_clear_error();
  ::SSL_set1_host(ssl, host.c_str());
  ::SSL_set_tlsext_host_name(ssl, host.c_str());
}

std::string openssl_reason() {
  const auto code = ::ERR_peek_last_error();
  ::ERR_clear_error();
  const char* text = ::ERR_reason_error_string(code);
  return text != nullptr ? text : "unreadable";
}

Result<TlsStream> with_tls(tcp::socket socket, const TargetOptions& options) {
  const TlsOptions& tls = *options.tls;
  const auto bad = [](const std::filesystem::path& file) {
    return fail(Code::bad_config, Origin::internal,
                fmt::format("{} cannot be used for TLS: {}", file.empty() ? "the system's certificates" : file.string(),
                            openssl_reason()));
  };
  asio::ssl::context context(asio::ssl::context::tls_client);
  error_code error;
  if (tls.ca_cert.empty()) context.set_default_verify_paths(error);
  if (!tls.ca_cert.empty()) context.load_verify_file(tls.ca_cert.string(), error);
  if (error) return bad(tls.ca_cert);
  if (!tls.client_cert.empty()) context.use_certificate_chain_file(tls.client_cert.string(), error);
  if (error) return bad(tls.client_cert);
  if (!tls.client_key.empty()) context.use_private_key_file(tls.client_key.string(), asio::ssl::context::pem, error);
  if (error) return bad(tls.client_key);

  TlsStream stream(std::move(socket), context);
  stream.set_verify_mode(tls.is_verification_skipped ? asio::ssl::verify_none : asio::ssl::verify_peer, error);
  expect_name(stream, options.host);
  return stream;
}

template <class Stream>
std::unique_ptr<Target> target_over(Stream stream, const TargetOptions& options) {
  if (options.web_socket) return std::make_unique<WebSocketTarget<Stream>>(std::move(stream), options);
  return std::make_unique<PlainTarget<Stream>>(std::move(stream), options);
}

}  // namespace

Result<std::unique_ptr<Target>> make_target(tcp::socket socket, const TargetOptions& options) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.non_blocking(true, ignored);
  if (!options.tls) return target_over(std::move(socket), options);
  auto stream = with_tls(std::move(socket), options);
  if (!stream) return std::unexpected(stream.error());
  return target_over(std::move(*stream), options);
}

}  // namespace propeller::net
