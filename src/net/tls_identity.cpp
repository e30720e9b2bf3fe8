#include "net/tls_identity.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace propeller::net {

namespace {

std::unexpected<Error> refuse(const std::filesystem::path& file) {
  return fail(Code::bad_config, Origin::internal, fmt::format("{}: {}", file.string(), openssl_reason()));
}

/// Never asks at the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> load_identity(const std::filesystem::path& certificate_file,
                                                         const std::filesystem::path& key_file) {
  const auto identity = std::make_shared<TlsIdentity>();
  const BioPtr certificates(::BIO_new_file(certificate_file.c_str(), "r"));
  if (!certificates) return refuse(certificate_file);
  identity->certificate.reset(::PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr));
  if (!identity->certificate) return refuse(certificate_file);
  identity->chain.reset(sk_X509_new_null());
  while (X509* next = ::PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr))
    sk_X509_push(identity->chain.get(), next);
  ::ERR_clear_error();

  const BioPtr key(::BIO_new_file(key_file.c_str(), "r"));
  if (!key) return refuse(key_file);
  identity->key.reset(::PEM_read_bio_PrivateKey(key.get(), nullptr, no_passphrase, nullptr));
  if (!identity->key || ::X509_check_private_key(identity->certificate.get(), identity->key.get()) != 1)
    return refuse(key_file);
  return identity;
}

}  // namespace propeller::net
