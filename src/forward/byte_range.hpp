#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace propeller::forward {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t count = 0;

  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// What a Range field makes of a content.
struct RangeChoice {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  ByteRange range = {};

  friend bool operator==(const RangeChoice&, const RangeChoice&) = default;
};

/// `value` is the field's, `size` that of the content. What is no range of bytes, is malformed, or names several ranges
/// is answered with the whole, as a server may. Pure.
/// Source: RFC 9110 section 14
[[nodiscard]] RangeChoice choose_range(std::string_view value, std::uint64_t size);

/// "bytes FIRST-LAST/SIZE", all three given; nothing for anything else, such as a range that is longer than the whole.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size = 0;

  friend bool operator==(const ContentRange&, const ContentRange&) = default;
};
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace propeller::forward
