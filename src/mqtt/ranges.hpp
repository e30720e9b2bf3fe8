#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace propeller::mqtt {

/// A set of chunk indices as closed ranges in ascending order, "3-7,9" on the wire. Bound: kRangesMax ranges.
struct Ranges {
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };
  static constexpr std::size_t kRangesMax = 4096;

  std::vector<Range> ranges;

  /// Errors: bad_request for anything but digits, '-' and ',', descending or overlapping ranges, too many.
  [[nodiscard]] static Result<Ranges> parse(std::string_view text);
  [[nodiscard]] static Ranges all(std::uint64_t total);  ///< 0 … total-1
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] bool empty() const { return ranges.empty(); }
  [[nodiscard]] std::uint64_t last() const { return ranges.empty() ? 0 : ranges.back().last; }
  friend bool operator==(const Ranges&, const Ranges&) = default;
};

}  // namespace propeller::mqtt
