#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "net/session_cache.hpp"
#include "net/tls_stream.hpp"

namespace propeller::net {

struct ClientTlsOptions {
  std::vector<std::filesystem::path> ca_files = {};  ///< trusted besides the system's
  bool uses_system_ca = true;
  /// Hosts whose certificates are not looked at, in lower case, exactly or as "*.suffix". Nobody else gets that.
  std::vector<std::string> insecure_hosts = {};
  std::shared_ptr<const TlsIdentity> identity = {};  ///< shown to servers that ask for one
};

struct ConnectTlsOptions {
  std::string host;  ///< name or address that the certificate has to carry; sent as SNI when it is a name
  std::uint16_t port = 443;
  std::vector<std::string> alpn = {};  ///< in the order of preference; empty: not offered
  std::chrono::steady_clock::time_point deadline;
};

/// TLS towards servers: their chain and host name are verified, always, except for the hosts listed as insecure.
///
/// Bound:    the SessionCache.
/// Errors:   create(): bad_config, naming the file. connect(): tls_certificate with a sentence that says what is wrong
///           with the certificate (expired, for another name, self-signed, of an unknown issuer, signed too weakly),
///           tls_failed, timeout, and those of the stream below.
/// Threads:  any; connect() on the stream's core.
/// Lifetime: outlives the calls of connect(), not the connections made.
/// Source:   RFC 9525 (names; the subject's common name is not one), RFC 8446
class ClientTls {
 public:
  [[nodiscard]] static Result<std::shared_ptr<ClientTls>> create(ClientTlsOptions options);

  /// A TLS connection over `below`, which is a connection of any kind, a TLS one too.
  [[nodiscard]] async::awaitable<Result<std::unique_ptr<Stream>>> connect(std::unique_ptr<Stream> below,
                                                                          ConnectTlsOptions options);
  [[nodiscard]] bool is_insecure(std::string_view host) const;
  [[nodiscard]] const SessionCache& sessions() const { return *sessions_; }

 private:
  explicit ClientTls(ClientTlsOptions options);
  Result<void> load();
  Result<SslPtr> prepare(const ConnectTlsOptions& options) const;
  static int on_verified(int is_fine, X509_STORE_CTX* store);
  static int on_session(SSL* ssl, SSL_SESSION* session);

  const ClientTlsOptions options_;
  // The context outlives this object while connections are open, and so does what its callback puts sessions into.
  std::shared_ptr<SessionCache> sessions_ = std::make_shared<SessionCache>();
  SslContextPtr context_;
};

/// "h2", "http/1.1" in the form of RFC 7301 3.1. Names over 255 bytes and empty ones are left out.
[[nodiscard]] std::string alpn_wire(const std::vector<std::string>& names);

}  // namespace propeller::net
