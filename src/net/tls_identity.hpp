#pragma once

#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "net/openssl.hpp"

namespace propeller::net {

/// A certificate with its private key and the certificates between it and a root, as a server (or a client) shows it.
/// Threads: immutable once made, so any.
struct TlsIdentity {
  CertificatePtr certificate;
  CertificatesPtr chain;  ///< null when there are none
  KeyPtr key;
};

/// From PEM files; the first certificate is the identity's, the others are its chain.
/// Errors: bad_config, naming the file.
[[nodiscard]] Result<std::shared_ptr<const TlsIdentity>> load_identity(const std::filesystem::path& certificate_file,
                                                                       const std::filesystem::path& key_file);

}  // namespace propeller::net
