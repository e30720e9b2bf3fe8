#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace propeller::http {

/// The small grammar that every part of HTTP shares. Source: RFC 9110 section 5.6.

extern const std::array<bool, 256> kTokenTable;
[[nodiscard]] inline bool is_token_char(char byte) { return kTokenTable[static_cast<unsigned char>(byte)]; }
/// One or more token characters: a method, a field's name, a transfer coding.
[[nodiscard]] bool is_token(std::string_view text);
/// What a field's value may hold: visible characters, bytes from 0x80 on, space and tab.
[[nodiscard]] bool is_field_value(std::string_view text);
[[nodiscard]] bool is_same_text(const char* left, const char* right, std::size_t size);
/// Equal but for the case of ASCII letters. Most names that are compared differ in length already.
[[nodiscard]] inline bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return left.size() == right.size() && is_same_text(left.data(), right.data(), left.size());
}
/// Where `part` is in it first, but for the case of ASCII letters; npos: nowhere.
[[nodiscard]] std::size_t find_ignoring_case(std::string_view text, std::string_view part);
[[nodiscard]] inline bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return find_ignoring_case(text, part) != std::string_view::npos;
}
[[nodiscard]] constexpr char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}
/// Without the spaces and tabs at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);

/// Digits only: no sign, no blank. Nothing for an empty text or a number that 63 bits do not hold.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view digits);
[[nodiscard]] int hex_value(char digit);  ///< -1 when it is none

/// Takes the next member off a comma-separated list, trimmed; quoted strings are kept whole. Empty members are passed
/// over. Nothing at the end.
[[nodiscard]] std::optional<std::string_view> next_member(std::string_view& list);

}  // namespace propeller::http
