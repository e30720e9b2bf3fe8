#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls_stream.hpp"

namespace propeller::net {

struct AcceptTlsOptions {
  std::vector<std::string> alpn = {};  ///< in the order of preference; empty: none is chosen
  std::string default_name = {};       ///< for the choice of a certificate when the client names none by SNI
  std::chrono::steady_clock::time_point deadline;
};

/// TLS towards clients, TLS 1.2 at least, with a certificate chosen for each connection.
///
/// Bound:    kSessionsMax sessions of clients without tickets.
/// Errors:   accept(): tls_failed, tls_certificate when the client says that it does not trust our certificate,
/// timeout,
///           and those of the stream below.
/// Threads:  any; `choose` is called on the connections' cores and must not block.
/// Lifetime: outlives the handshakes, not the connections made.
/// Source:   RFC 8446, RFC 6066 section 3 (SNI), RFC 7301 (ALPN), RFC 5077 (tickets)
class ServerTls {
 public:
  static constexpr long kSessionsMax = 1024;
  /// The identity for a server's name in lower case (empty: none was named); null ends the handshake.
  using Choose = std::function<std::shared_ptr<const TlsIdentity>(std::string_view name)>;

  explicit ServerTls(Choose choose);

  [[nodiscard]] async::awaitable<Result<std::unique_ptr<Stream>>> accept(std::unique_ptr<Stream> below,
                                                                         AcceptTlsOptions options);

 private:
  static int on_certificate(SSL* ssl, void* self);
  static int on_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                     unsigned offered_size, void* self);

  const Choose choose_;
  SslContextPtr context_;
};

}  // namespace propeller::net
