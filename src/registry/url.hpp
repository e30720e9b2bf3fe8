#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::registry {

/// Longest URL that is followed or asked for.
inline constexpr std::size_t kUrlBytesMax = 16 * 1024;

/// An absolute http or https URL as libcurl itself reads it, so that what the host policy judges is what is dialled
/// (`http://0x7f.1/` has the host 127.0.0.1 here).
struct Url {
  std::string text;    ///< whole, normalised, without fragment
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case, IPv6 without brackets
  std::uint16_t port = 0;

  [[nodiscard]] bool is_https() const { return scheme == "https"; }
  [[nodiscard]] bool has_same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
  /// host:port, for messages: never the query, which may be a signature.
  [[nodiscard]] std::string authority() const;
};

/// Errors: registry_unavailable for what is no absolute http(s) URL, has a user name in it, or is too long.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

/// What `location` means in an answer to `base` (RFC 9110 10.2.2). Errors: as parse_url().
[[nodiscard]] Result<Url> resolve_url(const Url& base, std::string_view location);

/// `text` with everything but unreserved characters percent-encoded, for a query or a form.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace propeller::registry
