#include "forward/redaction.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "http/syntax.hpp"

namespace propeller::forward {

using http::contains_ignoring_case;
using http::equals_ignoring_case;

namespace {

bool ends_with_word(std::string_view name, std::string_view word) {
  if (name.size() <= word.size() || !equals_ignoring_case(name.substr(name.size() - word.size()), word)) return false;
  const char before = name[name.size() - word.size() - 1];
  return before == '-' || before == '_';
}

/// A name in a query may be written with percent signs, and mean the same to the server.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && http::hex_value(text[i + 1]) >= 0 && http::hex_value(text[i + 2]) >= 0;
    if (is_escape) {
      out += static_cast<char>(http::hex_value(text[i + 1]) * 16 + http::hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The parameters of a query or form, secret values redacted, and what stands between them. Secret values end at the
/// first of `ends`.
std::string redact_parameters(std::string_view query, std::string_view ends) {
  std::string out;
  while (!query.empty()) {
    auto end = query.find_first_of("&;");
    const auto one = query.substr(0, end);
    const auto equals = one.find('=');
    if (equals != std::string_view::npos && is_secret_parameter(percent_decoded(one.substr(0, equals)))) {
      end = query.find_first_of(ends, equals);
      out += one.substr(0, equals + 1);
      if (equals + 1 < std::min(end, query.size())) out += kRedacted;
    } else {
      out += one;
    }
    if (end == std::string_view::npos) break;
    out += query[end];
    query.remove_prefix(end + 1);
  }
  return out;
}

/// A form has no blanks and quotes, and something like a=b at its start.
bool is_form(std::string_view body) {
  const auto equals = body.find('=');
  return equals != std::string_view::npos && body.find_first_of(" \t\r\n\"'<>{}") == std::string_view::npos;
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) ++at;
  return at;
}

/// The end of a JSON string that begins behind the quote at `open`: the closing quote, or the end of the text.
std::size_t string_end(std::string_view text, std::size_t open) {
  for (std::size_t i = open + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i;
    }
  }
  return text.size();
}

/// "name": value, with the value redacted when the name says so. Bare numbers and words are values too; what is inside
/// of an object or list is looked at for itself.
std::string redact_members(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '"') {
      ++i;
      continue;
    }
    const auto name_end = string_end(text, i);
    const auto name = text.substr(i + 1, name_end - i - 1);
    const auto colon = skip_blanks(text, std::min(name_end + 1, text.size()));
    i = std::min(name_end + 1, text.size());
    if (colon >= text.size() || text[colon] != ':' || !is_secret_parameter(name)) continue;
    const auto value = skip_blanks(text, colon + 1);
    if (value >= text.size() || text[value] == '{' || text[value] == '[') continue;
    const bool is_string = text[value] == '"';
    const auto begin = is_string ? value + 1 : value;
    const auto end =
        is_string ? string_end(text, value) : std::min(text.find_first_of(",}] \t\r\n", value), text.size());
    out.append(text.substr(copied, begin - copied)).append(kRedacted);
    copied = end;
    i = is_string ? std::min(end + 1, text.size()) : end;
  }
  return out.append(text.substr(copied));
}

/// The line that ends a part, RFC 2046, 5.1.1. Without the type's parameter it is the first one, or nothing.
std::string part_end(std::string_view text, std::string_view content_type) {
  constexpr std::string_view kBoundary = "boundary=";
  const auto found = http::find_ignoring_case(content_type, kBoundary);
  auto boundary = found == std::string_view::npos ? std::string_view() : content_type.substr(found + kBoundary.size());
  if (boundary.starts_with('"')) {
    boundary.remove_prefix(1);
    boundary = boundary.substr(0, boundary.find('"'));
  } else {
    boundary = boundary.substr(0, boundary.find_first_of("; \t"));
  }
  if (!boundary.empty()) return "\r\n--" + std::string(boundary);
  return text.starts_with("--") ? "\r\n" + std::string(text.substr(0, text.find("\r\n"))) : std::string();
}

/// The values of secret fields in multipart/form-data: behind the blank line that follows their name, up to `end_line`;
/// all that follows where that is empty.
std::string redact_parts(std::string_view text, const std::string& end_line) {
  constexpr std::string_view kName = "name=";
  std::string out;
  std::size_t copied = 0;
  std::size_t head_end = 0;
  for (auto at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at)) {
    at += kName.size();
    const bool is_quoted = at < text.size() && text[at] == '"';
    const auto name_begin = at + (is_quoted ? 1 : 0);
    const auto name_end = std::min(text.find_first_of(is_quoted ? "\"\r\n" : "; \t\r\n", name_begin), text.size());
    if (head_end < name_end) head_end = text.find("\r\n\r\n", name_end);
    if (head_end == std::string_view::npos) break;
    at = name_end;
    if (!is_secret_parameter(percent_decoded(text.substr(name_begin, name_end - name_begin)))) continue;
    const auto begin = head_end + 4;
    const auto end = end_line.empty() ? text.size() : std::min(text.find(end_line, begin), text.size());
    if (begin == end) continue;
    out.append(text.substr(copied, begin - copied)).append(kRedacted);
    copied = at = end;
  }
  return out.append(text.substr(copied));
}

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

/// "Bearer abc…" and "Basic abc…" wherever they stand.
std::string redact_credentials(std::string_view text) {
  constexpr std::size_t kTokenBytesMin = 6;  // shorter is prose: "basic idea"
  static constexpr std::array<std::string_view, 2> kSchemes{"bearer ", "basic "};
  std::string out;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto scheme = std::ranges::find_if(
        kSchemes, [&](std::string_view one) { return equals_ignoring_case(text.substr(i, one.size()), one); });
    if (scheme == kSchemes.end()) continue;
    const auto begin = i + scheme->size();
    auto end = begin;
    while (end < text.size() && is_token_char(text[end])) ++end;
    if (end - begin < kTokenBytesMin) continue;
    out.append(text.substr(copied, begin - copied)).append(kRedacted);
    copied = end;
    i = end - 1;
  }
  return out.append(text.substr(copied));
}

}  // namespace

bool is_secret_header(std::string_view name) {
  static constexpr std::array<std::string_view, 2> kExact{"cookie", "set-cookie"};
  static constexpr std::array<std::string_view, 4> kLastWords{"key", "token", "secret", "password"};
  static constexpr std::array<std::string_view, 4> kParts{"authorization", "api-key", "api_key", "apikey"};
  return std::ranges::any_of(kExact, [&](auto one) { return equals_ignoring_case(name, one); }) ||
         std::ranges::any_of(kLastWords, [&](auto word) { return ends_with_word(name, word); }) ||
         std::ranges::any_of(kParts, [&](auto part) { return contains_ignoring_case(name, part); });
}

bool is_secret_parameter(std::string_view name) {
  static constexpr std::array<std::string_view, 16> kExact{
      "access_token", "auth",     "code",          "client_assertion", "credential", "id_token", "jwt",       "key",
      "passwd",       "password", "refresh_token", "secret",           "session",    "sig",      "signature", "token"};
  static constexpr std::array<std::string_view, 8> kParts{"password", "passwd",     "secret", "signature",
                                                          "token",    "credential", "apikey", "privatekey"};
  return is_secret_header(name) || equals_ignoring_case(name, "pwd") || equals_ignoring_case(name, "verify") ||
         std::ranges::any_of(kExact, [&](auto one) { return equals_ignoring_case(name, one); }) ||
         std::ranges::any_of(kParts, [&](auto part) { return contains_ignoring_case(name, part); });
}

bool has_secret_parameter(std::string_view query) {
  while (!query.empty()) {
    const auto end = query.find_first_of("&;");
    if (is_secret_parameter(percent_decoded(query.substr(0, std::min(query.find('='), end))))) return true;
    if (end == std::string_view::npos) return false;
    query.remove_prefix(end + 1);
  }
  return false;
}

std::string redact_url(std::string_view url) {
  // A login's answer has its tokens there (OAuth 2.0, RFC 6749 section 4.2.2), as parameters or behind a path of its
  // own.
  if (const auto at = url.find('#'); at != std::string_view::npos) {
    const auto fragment = url.substr(at + 1);
    const auto query = fragment.find('?');
    auto out = redact_url(url.substr(0, at)) + "#" + redact_parameters(fragment.substr(0, query), "&;");
    return query == std::string_view::npos ? out : out + "?" + redact_parameters(fragment.substr(query + 1), "&;");
  }
  const auto query = url.find('?');
  const auto before = url.substr(0, query);
  std::string out(before);
  if (const auto scheme = before.find("://"); scheme != std::string_view::npos) {
    const auto authority = before.substr(scheme + 3, before.find('/', scheme + 3) - scheme - 3);
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) out.replace(scheme + 3, at, kRedacted);
  }
  if (query == std::string_view::npos) return out;
  return out + "?" + redact_parameters(url.substr(query + 1), "&;");
}

std::string redact_body(std::string_view body, std::string_view content_type) {
  // Of a form few servers take a semicolon for an end: it may belong to the secret.
  constexpr std::string_view kFormEnd = "&";
  // What a type says may be wrong (curl sends JSON as a form, too): then the rest is looked for as well.
  if (contains_ignoring_case(content_type, "x-www-form-urlencoded"))
    return redact_credentials(redact_members(redact_parameters(body, kFormEnd)));
  if (contains_ignoring_case(content_type, "multipart/"))
    return redact_credentials(redact_members(redact_parts(body, part_end(body, content_type))));
  if (is_form(body)) return redact_parameters(body, kFormEnd);
  return redact_credentials(redact_members(body));
}

}  // namespace propeller::forward
