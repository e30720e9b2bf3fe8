#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace propeller::support {

/// A request as a server saw it.
struct SeenRequest {
  std::string method, target;
  std::map<std::string, std::string> fields;  ///< names in lower case
  std::string body;                           ///< with its framing, where that is chunked

  /// The field's value, or empty.
  [[nodiscard]] std::string field(const std::string& name) const;
};

/// The server's end of one HTTP/1.1 connection, plain or TLS, blocking. Threads: one, but for stop(); with TLS one of
/// its own, which ignores broken pipes from then on.
class FakeConnection {
 public:
  FakeConnection(int socket, SSL_CTX* tls);  ///< `tls` nullptr: plain
  ~FakeConnection();
  FakeConnection(const FakeConnection&) = delete;
  FakeConnection& operator=(const FakeConnection&) = delete;

  /// The next request; nothing when the peer has gone or talks nonsense.
  [[nodiscard]] std::optional<SeenRequest> read_request();
  /// False when the peer has gone.
  bool write(std::string_view bytes);
  /// Ends what another thread does here; nothing can be read or written any more.
  void stop();

 private:
  [[nodiscard]] bool handshake();
  [[nodiscard]] bool fill();

  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  int socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool is_ready_ = false;
  std::string buffer_;
};

}  // namespace propeller::support
