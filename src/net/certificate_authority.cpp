#include "net/certificate_authority.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <system_error>

#include "base/assert.hpp"
#include "base/file_descriptor.hpp"

namespace propeller::net {

namespace {

namespace fs = std::filesystem;
using Time = CertificateAuthority::Time;

constexpr std::string_view kOrganization = "propeller-proxy";
constexpr std::chrono::hours kAuthorityValidity{3650 * 24};
constexpr int kSerialBits = 127;
constexpr std::size_t kHostBytesMax = 253;
constexpr std::size_t kCommonNameBytesMax = 64;  // RFC 5280 A.1
constexpr auto kEvp = &::EVP_sha256;

std::unexpected<Error> io_error(const fs::path& file) {
  return fail(Code::io, Origin::internal, fmt::format("{}: {}", file.string(), std::generic_category().message(errno)));
}

KeyPtr new_key() {
  KeyPtr key(::EVP_EC_gen("P-256"));
  ASSERT(key);
  return key;
}

/// For the leaves: a key in OpenSSL's older representation. X509_set_pubkey() takes 220 us with one of a provider,
/// because it encodes the key and parses it again, and 5 us with this (OpenSSL 3.0; newer ones are not so slow).
KeyPtr new_leaf_key() {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  EC_KEY* const pair = ::EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
  ASSERT(pair != nullptr && ::EC_KEY_generate_key(pair) == 1);
  KeyPtr key(::EVP_PKEY_new());
  ASSERT(key && EVP_PKEY_assign_EC_KEY(key.get(), pair) == 1);
#pragma GCC diagnostic pop
  return key;
}

std::string pem_of(const auto& write) {
  const BioPtr out(::BIO_new(::BIO_s_mem()));
  ASSERT(write(out.get()) == 1);
  const char* text = nullptr;
  const auto size = ::BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

/// Either the old content or all of the new one is there, whatever happens in between.
Result<void> write_atomically(const fs::path& file, std::string_view content, mode_t mode) {
  const fs::path part = file.string() + ".new";
  ::unlink(part.c_str());
  {
    const base::FileDescriptor out(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!out.is_open() || ::fchmod(out.get(), mode) != 0) return io_error(part);
    if (::write(out.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
        ::fsync(out.get()) != 0) {
      return io_error(part);
    }
  }
  if (::rename(part.c_str(), file.c_str()) != 0) return io_error(file);
  const base::FileDescriptor directory(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0) return io_error(file.parent_path());
  return {};
}

void set_random_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, OpensslFree<::BN_free>> number(::BN_new());
  ASSERT(::BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
  ::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(certificate));
}

void set_validity(X509* certificate, Time from, Time until) {
  ::ASN1_TIME_set(X509_getm_notBefore(certificate), std::chrono::system_clock::to_time_t(from));
  ::ASN1_TIME_set(X509_getm_notAfter(certificate), std::chrono::system_clock::to_time_t(until));
}

void set_name(X509_NAME* name, std::string_view common_name) {
  const auto add = [name](const char* field, std::string_view text) {
    ::X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                                 static_cast<int>(text.size()), -1, 0);
  };
  add("O", kOrganization);
  if (common_name.size() <= kCommonNameBytesMax) add("CN", common_name);
}

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(time, &parts) != 1) return {};
  // RFC 5280 4.1.2.5 writes "no end" as the year 9999, which the clock's nanoseconds do not hold.
  const auto last = std::chrono::system_clock::to_time_t(Time::max());
  return std::chrono::system_clock::from_time_t(std::min(::timegm(&parts), last));
}

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslFree<::X509_EXTENSION_free>>;

ExtensionPtr extension(int nid, const char* text, X509* issuer, X509* subject) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, issuer, subject, nullptr, nullptr, 0);
  ExtensionPtr made(::X509V3_EXT_conf_nid(nullptr, &context, nid, text));
  ASSERT(made);
  return made;
}

bool is_dns_name(std::string_view host) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return !host.empty() && host.size() <= kHostBytesMax && host.front() != '.' && !host.contains("..") &&
         std::ranges::all_of(host, is_fine);
}

/// The host as the certificate's only name; false when it is neither a name nor an address.
bool add_host(X509* certificate, const std::string& host) {
  using Names = std::unique_ptr<GENERAL_NAMES, OpensslFree<::GENERAL_NAMES_free>>;
  boost::system::error_code not_an_address;
  const auto address = boost::asio::ip::make_address(host, not_an_address);
  if (not_an_address && !is_dns_name(host)) return false;
  GENERAL_NAME* const name = ::GENERAL_NAME_new();
  ASN1_STRING* const value = not_an_address ? static_cast<ASN1_STRING*>(::ASN1_IA5STRING_new())
                                            : static_cast<ASN1_STRING*>(::ASN1_OCTET_STRING_new());
  if (not_an_address) {
    ::ASN1_STRING_set(value, host.data(), static_cast<int>(host.size()));
  } else if (address.is_v4()) {
    ::ASN1_STRING_set(value, address.to_v4().to_bytes().data(), 4);
  } else {
    ::ASN1_STRING_set(value, address.to_v6().to_bytes().data(), 16);
  }
  ::GENERAL_NAME_set0_value(name, not_an_address ? GEN_DNS : GEN_IPADD, value);
  const Names names(sk_GENERAL_NAME_new_null());
  sk_GENERAL_NAME_push(names.get(), name);
  return ::X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

/// One spelling for one host: lower case, no dot at the end, no brackets around an address.
std::string normal_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string normal(host);
  std::ranges::transform(normal, normal.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return normal;
}

}  // namespace

Result<std::shared_ptr<CertificateAuthority>> CertificateAuthority::open(const fs::path& directory, Time now) {
  const std::shared_ptr<CertificateAuthority> made(new CertificateAuthority(directory));
  const auto key_file = directory / "ca.key";
  std::error_code ignored;
  const bool is_there = fs::exists(made->certificate_file(), ignored) || fs::exists(key_file, ignored);
  if (auto loaded = made->load(now); !loaded) {
    if (is_there) {
      made->replaced_reason_ = loaded.error().detail;
      for (const auto& file : {made->certificate_file(), key_file}) fs::rename(file, file.string() + ".old", ignored);
    }
    if (auto written = made->make(now); !written) return std::unexpected(std::move(written.error()));
  }
  made->prepare_leaves();
  return made;
}

Result<void> CertificateAuthority::load(Time now) {
  const auto key_file = directory_ / "ca.key";
  auto loaded = load_identity(certificate_file(), key_file);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  X509* const certificate = (*loaded)->certificate.get();
  ends_at_ = time_of(X509_get0_notAfter(certificate));
  if (ends_at_ <= now) return fail(Code::bad_config, Origin::internal, "the certificate of the authority has expired");
  if (::X509_check_ca(certificate) == 0)
    return fail(Code::bad_config, Origin::internal, "the certificate is not one of an authority");
  authority_ = std::move(*loaded);
  // One that was copied here may have lost its mode. Where it is somebody else's, or cannot be changed, it is as good.
  (void)::chmod(key_file.c_str(), S_IRUSR | S_IWUSR);
  return {};
}

Result<void> CertificateAuthority::make(Time now) {
  const auto identity = std::make_shared<TlsIdentity>();
  identity->key = new_key();
  identity->certificate.reset(::X509_new());
  X509* const certificate = identity->certificate.get();
  ends_at_ = now + kAuthorityValidity;
  ::X509_set_version(certificate, X509_VERSION_3);
  set_random_serial(certificate);
  set_validity(certificate, now - kClockSkew, ends_at_);
  set_name(::X509_get_subject_name(certificate), "propeller-proxy CA");
  ::X509_set_issuer_name(certificate, ::X509_get_subject_name(certificate));
  ::X509_set_pubkey(certificate, identity->key.get());
  ::X509_add_ext(certificate,
                 extension(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", certificate, certificate).get(), -1);
  ::X509_add_ext(certificate, extension(NID_key_usage, "critical,keyCertSign,cRLSign", certificate, certificate).get(),
                 -1);
  ::X509_add_ext(certificate, extension(NID_subject_key_identifier, "hash", certificate, certificate).get(), -1);
  ASSERT(::X509_sign(certificate, identity->key.get(), kEvp()) > 0);

  std::error_code error;
  if (fs::create_directories(directory_, error)) {
    fs::permissions(directory_, fs::perms(0755), error);
  }
  if (error) return fail(Code::io, Origin::internal, fmt::format("{}: {}", directory_.string(), error.message()));
  const auto key = pem_of([&](BIO* out) {
    return ::PEM_write_bio_PrivateKey(out, identity->key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  authority_ = identity;
  if (auto written = write_atomically(directory_ / "ca.key", key, 0600); !written) return written;
  return write_atomically(certificate_file(), certificate_pem(), 0644);
}

void CertificateAuthority::prepare_leaves() {
  leaf_key_ = new_leaf_key();
  X509* const issuer = authority_->certificate.get();
  leaf_extensions_.push_back(extension(NID_basic_constraints, "critical,CA:FALSE", issuer, nullptr));
  leaf_extensions_.push_back(extension(NID_key_usage, "critical,digitalSignature", issuer, nullptr));
  leaf_extensions_.push_back(extension(NID_ext_key_usage, "serverAuth", issuer, nullptr));
  if (::X509_get0_subject_key_id(issuer) != nullptr)
    leaf_extensions_.push_back(extension(NID_authority_key_identifier, "keyid", issuer, nullptr));
  ::ERR_clear_error();
}

std::string CertificateAuthority::certificate_pem() const {
  return pem_of([this](BIO* out) { return ::PEM_write_bio_X509(out, authority_->certificate.get()); });
}

std::shared_ptr<const TlsIdentity> CertificateAuthority::leaf(std::string_view host, Time now) {
  const auto name = normal_host(host);
  if (auto kept = find(name, now)) return kept;
  // Outside of the lock: two cores that ask at once sign twice, and nobody waits.
  const auto until = std::min(now + kLeafValidity, ends_at_);
  auto identity = issue(name, until, now);
  if (identity) keep({.host = name, .renewed_at = until - kRenewedBefore, .identity = identity});
  return identity;
}

std::shared_ptr<const TlsIdentity> CertificateAuthority::find(const std::string& host, Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = by_host_.find(host);
  if (found == by_host_.end() || found->second->renewed_at <= now) return nullptr;
  leaves_.splice(leaves_.begin(), leaves_, found->second);
  return found->second->identity;
}

std::shared_ptr<const TlsIdentity> CertificateAuthority::issue(const std::string& host, Time until, Time now) const {
  auto identity = std::make_shared<TlsIdentity>();
  identity->certificate.reset(::X509_new());
  X509* const certificate = identity->certificate.get();
  ::X509_set_version(certificate, X509_VERSION_3);
  set_random_serial(certificate);
  set_validity(certificate, now - kClockSkew, until);
  set_name(::X509_get_subject_name(certificate), host);
  ::X509_set_issuer_name(certificate, ::X509_get_subject_name(authority_->certificate.get()));
  ::X509_set_pubkey(certificate, leaf_key_.get());
  for (const auto& common : leaf_extensions_) ::X509_add_ext(certificate, common.get(), -1);
  if (!add_host(certificate, host)) return nullptr;
  ASSERT(::X509_sign(certificate, authority_->key.get(), kEvp()) > 0);
  ::EVP_PKEY_up_ref(leaf_key_.get());
  identity->key.reset(leaf_key_.get());
  return identity;
}

void CertificateAuthority::keep(Leaf leaf) {
  const std::lock_guard lock(mutex_);
  ++issued_;
  if (const auto found = by_host_.find(leaf.host); found != by_host_.end()) {
    const auto old = found->second;
    by_host_.erase(found);
    leaves_.erase(old);
  } else if (leaves_.size() >= kLeavesMax) {
    by_host_.erase(leaves_.back().host);
    leaves_.pop_back();
  }
  leaves_.push_front(std::move(leaf));
  by_host_.emplace(leaves_.front().host, leaves_.begin());
}

std::size_t CertificateAuthority::leaves() const {
  const std::lock_guard lock(mutex_);
  return leaves_.size();
}

std::uint64_t CertificateAuthority::issued() const {
  const std::lock_guard lock(mutex_);
  return issued_;
}

}  // namespace propeller::net
