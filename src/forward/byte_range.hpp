#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// More ranges than this in one field are answered with the whole: each costs a head of its own.
inline constexpr std::size_t kRangesMax = 16;
/// Of a field that names several ranges those that the content has, in the order asked for. Empty: the whole is the
/// better answer, since it is one range or more than kRangesMax, one of them is malformed, or all of them together are
/// not shorter than the whole. Pure. Source: RFC 9110 sections 14.2 and 17.15
[[nodiscard]] std::vector<ByteRange> choose_ranges(std::string_view value, std::uint64_t size);

/// "bytes FIRST-LAST/SIZE", all three given; nothing for anything else, such as a range that is longer than the whole.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size = 0;

  friend bool operator==(const ContentRange&, const ContentRange&) = default;
};
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view value);
/// The opposite, of a range that is not empty.
[[nodiscard]] std::string content_range(ByteRange range, std::uint64_t size);

/// Bytes of one of several parts.
struct PartSlice {
  std::size_t part = 0;  ///< which
  ByteRange range;       ///< of that part's own bytes

  friend bool operator==(const PartSlice&, const PartSlice&) = default;
};
/// What `wanted` is put together of, first to last, out of parts that may overlap; ends before the first byte that no
/// part has. Pure.
[[nodiscard]] std::vector<PartSlice> cover(std::span<const ContentRange> parts, ByteRange wanted);

}  // namespace propeller::forward
