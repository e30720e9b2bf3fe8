#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace propeller::registry {

/// `bytes first-last/total` of a 206. Source: RFC 9110 14.4
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;  ///< nothing for '*'
};

/// Nothing for what is against the grammar, another unit, or a last before first.
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view value);

/// A decimal number that is all of `text`.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text);

}  // namespace propeller::registry
