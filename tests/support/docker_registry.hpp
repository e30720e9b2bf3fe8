#pragma once

#include <cstdint>
#include <functional>
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
  bool is_redirecting = false;                    ///< blobs come from a storage of another address, by redirects
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
  /// How often it has given a blob away, be it by a redirect: that it wants a login first is no download.
  [[nodiscard]] std::size_t blobs_given() const;
  [[nodiscard]] std::string log() const { return process_ ? process_->output() : std::string(); }

 private:
  void write_configuration();
  void start_storage();
  [[nodiscard]] std::size_t count_lines(const std::function<bool(std::string_view)>& is_meant) const;

  DockerRegistryOptions options_;
  TempDir directory_;
  std::uint16_t port_ = 0, storage_port_ = 0;
  std::unique_ptr<Subprocess> process_;
  std::unique_ptr<Subprocess> storage_;  ///< of a registry that redirects
};

}  // namespace propeller::support
