#include "config/rule_text.hpp"

#include <fmt/format.h>
#include <re2/re2.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <string>

#include "config/parse.hpp"

namespace propeller::config {

namespace {

constexpr std::size_t kPatternBytesMax = 253;
constexpr std::size_t kHeaderNameBytesMax = 256;
constexpr std::int64_t kExpressionMemoryMax = 1 << 20;  // of the compiled program; RE2 refuses what needs more

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

bool is_domain_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.empty() || text.size() > kPatternBytesMax) return false;
  if (text.starts_with("*.")) {
    text.remove_prefix(2);
  } else if (text.ends_with(".*")) {
    text.remove_suffix(2);
  }
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-'; });
}

bool is_address_or_range(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_ip_address(text);
  const auto address = text.substr(0, slash);
  const auto bits = parse_number(text.substr(slash + 1));
  return is_ip_address(address) && bits && *bits <= (address.find(':') == std::string_view::npos ? 32U : 128U);
}

bool is_header_name(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && text.size() <= kHeaderNameBytesMax && std::ranges::all_of(text, [&](char c) {
    return is_letter_or_digit(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  if (text.size() > kHeaderValueBytesMax) return false;
  if (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.back() == ' ' || text.back() == '\t'))
    return false;
  return std::ranges::none_of(text,
                              [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; });
}

bool is_settable_header(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kConnection{
      "Connection",   "Content-Length",   "Expect", "Host",    "HTTP2-Settings",    "Keep-Alive",
      "Max-Forwards", "Proxy-Connection", "TE",     "Trailer", "Transfer-Encoding", "Upgrade"};
  return std::ranges::none_of(kConnection, [&](std::string_view known) { return equals_ignoring_case(known, name); });
}

Refusal check_expression(std::string_view text) {
  if (text.empty()) return "an empty expression matches everything";
  if (text.size() > kCachePatternBytesMax) return fmt::format("at most {} bytes", kCachePatternBytesMax);
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kExpressionMemoryMax);
  const RE2 expression(re2::StringPiece(text.data(), text.size()), options);
  if (expression.ok()) return std::nullopt;
  return "not a regular expression (RE2): " + expression.error();
}

}  // namespace propeller::config
