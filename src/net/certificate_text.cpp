#include "net/certificate_text.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <ctime>

namespace propeller::net {

namespace {

namespace ip = boost::asio::ip;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpensslFree<::GENERAL_NAMES_free>>;

std::string date_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ::ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown date";
  return fmt::format("{:%Y-%m-%d}", parts);
}

std::string address_text(const ASN1_OCTET_STRING& bytes) {
  if (bytes.length == 4) {
    ip::address_v4::bytes_type raw{};
    std::copy_n(bytes.data, raw.size(), raw.begin());
    return ip::make_address_v4(raw).to_string();
  }
  if (bytes.length != 16) return {};
  ip::address_v6::bytes_type raw{};
  std::copy_n(bytes.data, raw.size(), raw.begin());
  return ip::make_address_v6(raw).to_string();
}

/// The certificate is the peer's word: only what may be in a host name is repeated.
std::string dns_text(const ASN1_IA5STRING& bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data), static_cast<std::size_t>(bytes.length));
  std::ranges::replace_if(text, [](unsigned char c) { return c <= ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

std::string names_of(X509* certificate) {
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count && i < kNamesMax; ++i) {
    const auto& name = *sk_GENERAL_NAME_value(names.get(), i);
    std::string one;
    if (name.type == GEN_DNS) one = dns_text(*name.d.dNSName);
    if (name.type == GEN_IPADD) one = address_text(*name.d.iPAddress);
    if (!one.empty()) text.append(text.empty() ? "" : ", ").append(one);
  }
  if (count > kNamesMax) text.append(", …");
  return text;
}

std::string certificate_problem(int code, X509* certificate, std::string_view host) {
  const auto issuer = certificate == nullptr ? "?" : name_text(::X509_get_issuer_name(certificate));
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("the certificate of {} expired on {}", host, date_text(::X509_get0_notAfter(certificate)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("the certificate of {} is not valid before {}", host,
                         date_text(::X509_get0_notBefore(certificate)));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: {
      const auto names = names_of(certificate);
      return fmt::format("the certificate is not for {} but for {}", host, names.empty() ? "no name at all" : names);
    }
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return fmt::format("the certificate of {} is self-signed", host);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return fmt::format("the certificate of {} has an unknown issuer ({})", host, issuer);
    case X509_V_ERR_CA_MD_TOO_WEAK: return fmt::format("the certificate of {} is signed with a weak digest", host);
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL: return fmt::format("the certificate of {} has a key that is too small", host);
    default: return fmt::format("the certificate of {}: {}", host, ::X509_verify_cert_error_string(code));
  }
}

}  // namespace propeller::net
