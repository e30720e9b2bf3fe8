#pragma once

#include <filesystem>
#include <string>

#include "support/environment.hpp"

namespace propeller::support {

/// A certificate authority with a server's certificate (localhost, 127.0.0.1, ::1) and a client's, as PEM files;
/// made anew every time, valid for two days.
class TlsFiles {
 public:
  TlsFiles();

  [[nodiscard]] std::filesystem::path ca() const { return directory_ / "ca.pem"; }
  [[nodiscard]] std::filesystem::path server_certificate() const { return directory_ / "server.pem"; }
  [[nodiscard]] std::filesystem::path server_key() const { return directory_ / "server.key"; }
  [[nodiscard]] std::filesystem::path client_certificate() const { return directory_ / "client.pem"; }
  [[nodiscard]] std::filesystem::path client_key() const { return directory_ / "client.key"; }

 private:
  void issue(const std::string& name, const std::string& extension);

  TempDir directory_;
};

/// A self-signed certificate and its key in PEM files; `algorithm` is "EC" (P-256) or "RSA" (2048).
void make_self_signed(const std::filesystem::path& certificate, const std::filesystem::path& key,
                      const std::string& algorithm);

}  // namespace propeller::support
