#pragma once

#include <string>
#include <string_view>

#include "net/openssl.hpp"

namespace propeller::net {

/// What is wrong with `certificate` of `host` when verifying it ended with `code` (X509_V_ERR_…), in a sentence for
/// people: "the certificate of example.org expired on 2026-01-31". `certificate` may be null.
[[nodiscard]] std::string certificate_problem(int code, X509* certificate, std::string_view host);

/// The names and addresses it is for: "a.example.org, 192.0.2.1"; at most kNamesMax of them.
inline constexpr int kNamesMax = 8;
[[nodiscard]] std::string names_of(X509* certificate);

}  // namespace propeller::net
