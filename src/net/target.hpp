#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "async/core.hpp"
#include "base/error.hpp"

namespace propeller::net {

struct TlsOptions {
  std::filesystem::path ca_cert = {};  ///< empty: the system's
  std::filesystem::path client_cert = {};
  std::filesystem::path client_key = {};
  bool is_verification_skipped = false;
};

struct WebSocketOptions {
  std::string path = "/";
  std::string subprotocol = {};
};

struct TargetOptions {
  std::string host;  ///< name or address
  std::uint16_t port = 0;
  std::optional<TlsOptions> tls = {};
  std::optional<WebSocketOptions> web_socket = {};
};

/// A byte stream to a server over TCP, with TLS and WebSocket on top where they are asked for.
///
/// Errors:   handshake() says in a sentence what is wrong; later boost::system errors, eof at an orderly end.
/// Threads:  one core. One read and one write may be under way at a time.
/// Source:   RFC 6455 (WebSocket), RFC 6125 (names in certificates)
class Target {
 public:
  struct Transfer {
    boost::system::error_code error;
    std::size_t bytes = 0;
  };

  virtual ~Target() = default;

  [[nodiscard]] virtual async::awaitable<Result<void>> handshake() = 0;
  [[nodiscard]] virtual async::awaitable<Transfer> read_some(boost::asio::mutable_buffer room) = 0;
  [[nodiscard]] virtual async::awaitable<Transfer> write_some(boost::asio::const_buffer bytes) = 0;
  /// As much as goes without waiting; would_block where that is not possible.
  [[nodiscard]] virtual Transfer write_now(boost::asio::const_buffer bytes) = 0;
  /// Tells the other side that nothing more comes.
  [[nodiscard]] virtual async::awaitable<void> finish() = 0;
  virtual void close() = 0;
};

/// `socket` is connected. Errors: bad_config, when a certificate or key cannot be used.
[[nodiscard]] Result<std::unique_ptr<Target>> make_target(boost::asio::ip::tcp::socket socket,
                                                          const TargetOptions& options);

}  // namespace propeller::net
