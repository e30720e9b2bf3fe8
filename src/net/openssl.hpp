#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace propeller::net {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
inline void free_certificates(STACK_OF(X509) * certificates) { sk_X509_pop_free(certificates, ::X509_free); }

using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslFree<::SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslFree<::SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, OpensslFree<::SSL_SESSION_free>>;
using CertificatePtr = std::unique_ptr<X509, OpensslFree<::X509_free>>;
using CertificatesPtr = std::unique_ptr<STACK_OF(X509), OpensslFree<free_certificates>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<::EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, OpensslFree<::BIO_free>>;

/// Before a call whose failure is asked about. Emptying the queue looks at all of its places, so where nothing is in
/// it, as nearly always, it is left alone.
inline void forget_openssl_errors() {
  if (::ERR_peek_error() != 0) ::ERR_clear_error();
}

/// Why the last call into OpenSSL on this thread failed, in its words; the queue of errors is empty afterwards.
[[nodiscard]] std::string openssl_reason();

/// "CN=Example CA,O=Example"
[[nodiscard]] std::string name_text(const X509_NAME* name);

}  // namespace propeller::net
