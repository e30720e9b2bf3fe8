#include "observe/escape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>

namespace propeller::observe {

namespace {

struct CodePoint {
  std::uint32_t value;
  std::size_t length;
};

/// The code point at the front, or nothing where the bytes are not UTF-8 (overlong, surrogate, out of range, cut off).
std::optional<CodePoint> front(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return CodePoint{first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return std::nullopt;
  std::uint32_t value = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return std::nullopt;
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return std::nullopt;
  return CodePoint{value, length};
}

bool is_control(std::uint32_t c) {
  // Bidirectional overrides too: they let a line on a terminal read as another.
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

std::string escape(std::string_view text, std::size_t bytes_max, bool is_quoted) {
  std::string out;
  const bool is_cut = text.size() > bytes_max;
  if (is_cut) {
    // Not in the middle of a character.
    while (bytes_max > 0 && (static_cast<std::uint8_t>(text[bytes_max]) & 0xC0u) == 0x80u) --bytes_max;
    text = text.substr(0, bytes_max);
  }
  out.reserve(text.size() + 8);
  while (!text.empty()) {
    const auto next = front(text);
    if (!next) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (next->value == '\n') {
      out += "\\n";
    } else if (next->value == '\t') {
      out += "\\t";
    } else if (next->value == '\r') {
      out += "\\r";
    } else if (is_control(next->value)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", next->value);
    } else if (next->value == '\\' || (next->value == '"' && is_quoted)) {
      out += '\\';
      out += static_cast<char>(next->value);
    } else {
      out += text.substr(0, next->length);
    }
    text.remove_prefix(next->length);
  }
  if (is_cut) out += "...";
  return out;
}

}  // namespace

std::string json_string(std::string_view text, std::size_t bytes_max) {
  return '"' + escape(text, bytes_max, true) + '"';
}

std::string text_value(std::string_view text, std::size_t bytes_max) {
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '='; };
  if (!text.empty() && text.size() <= bytes_max && std::all_of(text.begin(), text.end(), is_plain))
    return std::string(text);
  return json_string(text, bytes_max);
}

std::string text_message(std::string_view text, std::size_t bytes_max) { return escape(text, bytes_max, false); }

}  // namespace propeller::observe
