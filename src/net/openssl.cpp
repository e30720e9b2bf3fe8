#include "net/openssl.hpp"

#include <openssl/err.h>

namespace propeller::net {

std::string openssl_reason() {
  const auto code = ::ERR_peek_last_error();
  const char* const text = ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return text != nullptr ? text : "unknown reason";
}

std::string name_text(const X509_NAME* name) {
  const BioPtr out(::BIO_new(::BIO_s_mem()));
  ::X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  const char* text = nullptr;
  const auto size = ::BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace propeller::net
