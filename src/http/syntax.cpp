#include "http/syntax.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace propeller::http {

namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int byte = '0'; byte <= '9'; ++byte) table[byte] = true;
  for (int byte = 'a'; byte <= 'z'; ++byte) table[byte] = table[byte - 'a' + 'A'] = true;
  for (const char byte : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(byte)] = true;
  return table;
}

constexpr std::uint64_t kDecimalMax = std::numeric_limits<std::int64_t>::max();

bool is_value_char(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return (code >= 0x20 && code != 0x7f) || code == '\t';
}

}  // namespace

constexpr std::array<bool, 256> kTokenTable = make_token_table();

// Both to the end in any case: a loop without a way out is done for many bytes at once.

bool is_token(std::string_view text) {
  bool is_token = !text.empty();
  for (const char byte : text) is_token &= is_token_char(byte);
  return is_token;
}

bool is_field_value(std::string_view text) {
  bool is_value = true;
  for (const char byte : text) is_value &= is_value_char(byte);
  return is_value;
}

bool is_same_text(const char* left, const char* right, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (left[i] != right[i] && to_lower(left[i]) != to_lower(right[i])) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  const auto is_blank = [](char byte) { return byte == ' ' || byte == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> parse_decimal(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    const auto unit = static_cast<std::uint64_t>(digit - '0');
    if (value > (kDecimalMax - unit) / 10) return std::nullopt;
    value = value * 10 + unit;
  }
  return value;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  const char lower = to_lower(digit);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string_view> next_member(std::string_view& list) {
  while (!list.empty()) {
    bool is_quoted = false;
    std::size_t end = 0;
    for (; end < list.size() && (is_quoted || list[end] != ','); ++end) {
      if (list[end] == '"') is_quoted = !is_quoted;
      if (is_quoted && list[end] == '\\') ++end;
    }
    const std::string_view member = trim(list.substr(0, end));
    list.remove_prefix(std::min(list.size(), end + 1));
    if (!member.empty()) return member;
  }
  return std::nullopt;
}

std::size_t find_ignoring_case(std::string_view text, std::string_view part) {
  if (part.empty()) return 0;
  const auto found = std::ranges::search(text, part, {}, to_lower, to_lower);
  return found.empty() ? std::string_view::npos : static_cast<std::size_t>(found.begin() - text.begin());
}

}  // namespace propeller::http
