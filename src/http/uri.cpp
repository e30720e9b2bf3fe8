#include "http/uri.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "http/syntax.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kHostBytesMax = 255;

bool is_alphanumeric(char byte) {
  const char lower = to_lower(byte);
  return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9');
}

bool is_unreserved(char byte) { return is_alphanumeric(byte) || std::string_view("-._~").contains(byte); }

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), to_lower);
  return lowered;
}

bool is_ipv6_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  // A NUL would end the text for inet_pton, and not for whoever reads it next.
  const auto is_expected = [](char byte) { return hex_value(byte) >= 0 || byte == ':' || byte == '.'; };
  if (text.size() >= terminated.size() || !std::ranges::all_of(text, is_expected)) return false;
  std::ranges::copy(text, terminated.begin());
  in6_addr address{};
  return ::inet_pton(AF_INET6, terminated.data(), &address) == 1;
}

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  const auto value = parse_decimal(digits);
  if (!value || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

void append_encoded(std::string& text, char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto code = static_cast<unsigned char>(byte);
  text += '%';
  text += kDigits[code >> 4];
  text += kDigits[code & 15];
}

/// Percent signs in normal form, and one for every byte that has no business in a URI.
std::string normalise_bytes(std::string_view text) {
  std::string normal;
  normal.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (byte == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      const char decoded = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      if (is_unreserved(decoded)) {
        normal += decoded;
      } else {
        append_encoded(normal, decoded);
      }
      i += 2;
    } else if (is_unreserved(byte) || std::string_view("!$&'()*+,;=:@/?[]|").contains(byte)) {
      normal += byte;
    } else {
      append_encoded(normal, byte);
    }
  }
  return normal;
}

/// RFC 3986 section 5.2.4, for a path that begins with "/".
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(1, end - 1);
    const bool is_last = end == path.size();
    if (segment == "..") {
      out.erase(std::min(out.rfind('/'), out.size()));
      if (is_last) out += '/';
    } else if (segment == ".") {
      if (is_last) out += '/';
    } else {
      out.append("/").append(segment);
    }
    path.remove_prefix(end);
  }
  return out;
}

/// Up to the first of `ends`, taken off `rest`.
std::string_view take_until(std::string_view& rest, std::string_view ends) {
  const std::size_t size = std::min(rest.find_first_of(ends), rest.size());
  const std::string_view taken = rest.substr(0, size);
  rest.remove_prefix(size);
  return taken;
}

bool has_scheme(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && text.find_first_of("/?#") > colon;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    authority.host = text.substr(1, end - 1);
    authority.is_ipv6 = true;
    if (!is_ipv6_address(authority.host)) return std::nullopt;
    text.remove_prefix(end + 1);
  } else {
    authority.host = take_until(text, ":");
    if (authority.host.empty() || authority.host.size() > kHostBytesMax) return std::nullopt;
    if (!std::ranges::all_of(authority.host, is_unreserved)) return std::nullopt;
  }
  if (text.empty() || text == ":") return authority;
  if (text.front() != ':') return std::nullopt;
  authority.port = parse_port(text.substr(1));
  if (!authority.port) return std::nullopt;
  return authority;
}

bool is_path_and_query(std::string_view text) {
  bool is_target = text.starts_with('/');
  // To the end in any case: a loop without a way out is done for many bytes at once.
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    is_target &= code > 0x20 && code != 0x7f && byte != '#';
  }
  return is_target;
}

std::optional<std::uint16_t> default_port(std::string_view scheme) {
  if (equals_ignoring_case(scheme, "http")) return 80;
  if (equals_ignoring_case(scheme, "https")) return 443;
  return std::nullopt;
}

std::string normalise_target(std::string_view path_and_query) {
  const std::size_t query = std::min(path_and_query.find('?'), path_and_query.size());
  std::string path = normalise_bytes(path_and_query.substr(0, query));
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  return remove_dot_segments(path) + normalise_bytes(path_and_query.substr(query));
}

std::optional<Uri> parse_uri(std::string_view text) {
  if (text.size() > kUriBytesMax) return std::nullopt;
  const std::string_view scheme = take_until(text, ":");
  const auto port = default_port(scheme);
  if (!port || !text.starts_with("://")) return std::nullopt;
  text.remove_prefix(3);
  const auto authority = parse_authority(take_until(text, "/?#"));
  if (!authority) return std::nullopt;
  return Uri{.scheme = lower_case(scheme),
             .host = lower_case(authority->host),
             .port = authority->port.value_or(*port),
             .target = normalise_target(take_until(text, "#"))};
}

std::optional<Uri> resolve_reference(const Uri& base, std::string_view reference) {
  reference = trim(reference);
  if (reference.size() > kUriBytesMax) return std::nullopt;
  if (has_scheme(reference)) return parse_uri(reference);
  if (reference.starts_with("//")) return parse_uri(base.scheme + ":" + std::string(reference));
  const std::string_view target = take_until(reference, "#");
  Uri resolved = base;
  if (target.empty()) return resolved;
  const std::string_view base_target = base.target;
  const std::string_view base_path = base_target.substr(0, base_target.find('?'));
  std::string whole;
  if (target.front() == '?') {
    whole = base_path;
  } else if (target.front() != '/') {
    whole = base_path.substr(0, base_path.rfind('/') + 1);
  }
  resolved.target = normalise_target(whole.append(target));
  if (resolved.target.size() > 3 * kUriBytesMax) return std::nullopt;
  return resolved;
}

std::string authority_of(std::string_view scheme, std::string_view host, std::uint16_t port) {
  const bool is_ipv6 = host.contains(':');
  std::string text;
  text.append(is_ipv6 ? "[" : "").append(host).append(is_ipv6 ? "]" : "");
  if (port != default_port(scheme)) text.append(":").append(std::to_string(port));
  return text;
}

std::string Uri::authority() const { return authority_of(scheme, host, port); }

std::string Uri::to_string() const { return scheme + "://" + authority() + target; }

}  // namespace propeller::http
