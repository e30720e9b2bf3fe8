#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace propeller::http {

/// "host[:port]" taken apart: views into the text.
struct Authority {
  std::string_view host;  ///< as it came, without the brackets of an IPv6 address
  std::optional<std::uint16_t> port;
  bool is_ipv6 = false;
};

/// Letters, digits, "-", ".", "_" and "~", or an IPv6 address in brackets without a zone; no user information, no
/// percent signs: names come in ASCII. Source: RFC 3986 section 3.2, narrowed.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text);

/// Whether a path and query may stand in a request line: begins with "/", no controls, no blank, no "#". What RFC 3986
/// forbids besides is sent by browsers and curl, and let through.
[[nodiscard]] bool is_path_and_query(std::string_view text);

/// "host", or "host:port" where the port is not the scheme's; an IPv6 address in brackets.
[[nodiscard]] std::string authority_of(std::string_view scheme, std::string_view host, std::uint16_t port);

/// An http or https URI in normal form, so that equal ones are equal: scheme and host in lower case, the default port
/// gone, dot segments resolved, percent signs in upper case and only where they are needed.
///
/// For comparing and deciding; the bytes a client sent are forwarded as they came.
/// Source: RFC 3986 section 6.2, WHATWG URL for what browsers send
struct Uri {
  std::string scheme;
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
  std::string target;  ///< path and query, beginning with "/"

  [[nodiscard]] std::string authority() const;  ///< see authority_of()
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Uri&, const Uri&) = default;
};

inline constexpr std::size_t kUriBytesMax = 32 * 1024;

/// An absolute URI; a fragment is dropped, user information refused. Nothing for other schemes and for what is none.
[[nodiscard]] std::optional<Uri> parse_uri(std::string_view text);

/// What `reference` (of a Location, say) means in a document at `base`. Source: RFC 3986 section 5.2
[[nodiscard]] std::optional<Uri> resolve_reference(const Uri& base, std::string_view reference);

/// The path and query of Uri::target; normalising again changes nothing.
[[nodiscard]] std::string normalise_target(std::string_view path_and_query);

/// 80, 443, or nothing for other schemes.
[[nodiscard]] std::optional<std::uint16_t> default_port(std::string_view scheme);

}  // namespace propeller::http
