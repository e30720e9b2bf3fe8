#include "net/certificates.hpp"

#include <openssl/pem.h>

#include "base/assert.hpp"

namespace propeller::net {

namespace {

constexpr long kDaySeconds = 24L * 60 * 60;

void add_extension(X509* certificate, int nid, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = ::X509V3_EXT_conf_nid(nullptr, &context, nid, text.c_str());
  ASSERT(extension != nullptr);
  ::X509_add_ext(certificate, extension, -1);
  ::X509_EXTENSION_free(extension);
}

}  // namespace

std::shared_ptr<const TlsIdentity> make_certificate(const CertificateSpec& spec) {
  static long serial = 1;
  const auto made = std::make_shared<TlsIdentity>();
  made->key.reset(spec.rsa_bits == 0 ? ::EVP_EC_gen("P-256") : ::EVP_RSA_gen(spec.rsa_bits));
  made->certificate.reset(::X509_new());
  X509* const certificate = made->certificate.get();
  ::X509_set_version(certificate, X509_VERSION_3);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), serial++);
  ::X509_gmtime_adj(X509_getm_notBefore(certificate), spec.days_from * kDaySeconds);
  ::X509_gmtime_adj(X509_getm_notAfter(certificate), spec.days_to * kDaySeconds);
  ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  const auto& issuer = spec.issuer ? *spec.issuer : *made;
  ::X509_set_issuer_name(certificate, ::X509_get_subject_name(issuer.certificate.get()));
  ::X509_set_pubkey(certificate, made->key.get());
  add_extension(certificate, NID_basic_constraints, spec.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!spec.alt_names.empty()) add_extension(certificate, NID_subject_alt_name, spec.alt_names);
  ASSERT(::X509_sign(certificate, issuer.key.get(), ::EVP_get_digestbyname(spec.digest)) > 0);
  return made;
}

void write_certificate(const TlsIdentity& identity, const std::filesystem::path& file) {
  const BioPtr out(::BIO_new_file(file.c_str(), "w"));
  ASSERT(::PEM_write_bio_X509(out.get(), identity.certificate.get()) == 1);
}

void write_key(const TlsIdentity& identity, const std::filesystem::path& file, bool is_traditional) {
  const BioPtr out(::BIO_new_file(file.c_str(), "w"));
  const auto write = is_traditional ? ::PEM_write_bio_PrivateKey_traditional : nullptr;
  const int done = write != nullptr ? write(out.get(), identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr)
                                    : ::PEM_write_bio_PrivateKey(out.get(), identity.key.get(), nullptr, nullptr, 0,
                                                                 nullptr, nullptr);
  ASSERT(done == 1);
}

}  // namespace propeller::net
