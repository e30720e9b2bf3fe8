#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "support/environment.hpp"
#include "support/fake_connection.hpp"
#include "support/tls_files.hpp"

namespace propeller::support {

struct TokenServerOptions {
  std::string algorithm = "ES256";                ///< or RS256
  std::map<std::string, std::string> users = {};  ///< who gets a token; empty: everybody
  std::chrono::seconds lifetime{300};
  const TlsFiles* tls = nullptr;  ///< HTTPS with the server's certificate
};

/// The token service of a registry: GET /token?service=…&scope=repository:<name>:pull answers with a signed JWT that
/// Debian's docker-registry accepts.
///
/// Threads:  one of its own, a request at a time.
/// Lifetime: `tls` outlives it.
/// Source:   distribution/docs/spec/auth/token.md, RFC 7519
class TokenServer {
 public:
  static constexpr const char* kService = "test-registry";
  static constexpr const char* kIssuer = "test-issuer";

  explicit TokenServer(TokenServerOptions options = {});
  ~TokenServer();
  TokenServer(const TokenServer&) = delete;
  TokenServer& operator=(const TokenServer&) = delete;

  [[nodiscard]] std::string realm() const {
    return (tls_ ? "https" : "http") + std::string("://127.0.0.1:") + std::to_string(port_) + "/token";
  }
  [[nodiscard]] std::filesystem::path certificate() const { return directory_ / "token.pem"; }
  [[nodiscard]] int tokens_issued() const { return issued_; }
  [[nodiscard]] int tokens_refused() const { return refused_; }

 private:
  void run();
  [[nodiscard]] std::string answer(const SeenRequest& request);
  [[nodiscard]] std::string make_token(const std::string& subject, const std::string& scope) const;

  TokenServerOptions options_;
  TempDir directory_;
  std::shared_ptr<SSL_CTX> tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> issued_{0}, refused_{0};
  std::atomic<bool> is_stopping_{false};
  std::jthread thread_;
};

}  // namespace propeller::support
