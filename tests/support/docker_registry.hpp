#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "support/environment.hpp"
#include "support/subprocess.hpp"
#include "support/tls_files.hpp"

namespace propeller::support {

class TokenServer;

struct DockerRegistryOptions {
  std::string address = "127.0.0.1";              ///< listened on
  const TlsFiles* tls = nullptr;                  ///< HTTPS with the server's certificate
  std::map<std::string, std::string> users = {};  ///< htpasswd: basic authentication
  const TokenServer* tokens = nullptr;            ///< bearer tokens from there
};

/// Debian's docker-registry on a loopback port, its blobs in a directory of its own.
///
/// Order:    running and accepting when the constructor or start() returns. What was pushed survives a restart.
/// Lifetime: ends with the object; `tls` and `tokens` outlive it.
class DockerRegistry {
 public:
  explicit DockerRegistry(DockerRegistryOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url() const { return (options_.tls != nullptr ? "https://" : "http://") + host(); }

  void start();
  void stop();
  /// Requests in the access log whose line contains both, for example ("GET", "/blobs/sha256:").
  [[nodiscard]] std::size_t requests(std::string_view method, std::string_view path) const;
  [[nodiscard]] std::string log() const { return process_ ? process_->output() : std::string(); }

 private:
  void write_configuration();

  DockerRegistryOptions options_;
  TempDir directory_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Subprocess> process_;
};

}  // namespace propeller::support
