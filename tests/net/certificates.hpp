#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "net/tls_identity.hpp"

namespace propeller::net {

/// A certificate to be made, right or wrong.
struct CertificateSpec {
  std::string common_name = "test";
  std::string alt_names = "DNS:localhost,IP:127.0.0.1";  ///< in OpenSSL's form; empty: none
  std::shared_ptr<const TlsIdentity> issuer = {};        ///< null: it signs itself
  bool is_authority = false;
  int days_from = -1, days_to = 2;  ///< from now
  const char* digest = "SHA256";
  unsigned rsa_bits = 0;  ///< 0: P-256
};

[[nodiscard]] std::shared_ptr<const TlsIdentity> make_certificate(const CertificateSpec& spec);
[[nodiscard]] inline std::shared_ptr<const TlsIdentity> make_test_authority(const std::string& name = "test CA") {
  return make_certificate({.common_name = name, .alt_names = "", .is_authority = true});
}

/// PEM files; the key as PKCS#1 ("RSA PRIVATE KEY") when `is_traditional`.
void write_certificate(const TlsIdentity& identity, const std::filesystem::path& file);
void write_key(const TlsIdentity& identity, const std::filesystem::path& file, bool is_traditional = false);

}  // namespace propeller::net
