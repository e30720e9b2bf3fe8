#pragma once

#include <string>
#include <string_view>

namespace propeller::forward {

/// Whether a hash of an htpasswd file is of a kind that we verify: bcrypt ($2a$, $2b$, $2y$), yescrypt ($y$), SHA-crypt
/// ($5$, $6$), Apache's MD5 ($apr1$) and {SHA}. Plain text and DES are not.
[[nodiscard]] bool is_password_hash(std::string_view hash);

/// Whether `password` has that hash. Compares in constant time; slow on purpose for most kinds, so it goes through
/// offload().
[[nodiscard]] bool verify_password(const std::string& password, const std::string& hash);

/// Apache's variant of MD5-crypt, "$apr1$salt$hash". Source: apr_md5.c, apr_md5_encode()
[[nodiscard]] std::string apr1_hash(std::string_view password, std::string_view salt);

}  // namespace propeller::forward
