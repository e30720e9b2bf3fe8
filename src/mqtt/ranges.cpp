#include "mqtt/ranges.hpp"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <limits>
#include <optional>

namespace propeller::mqtt {

namespace {

std::unexpected<Error> refuse(std::string detail) { return fail(Code::bad_request, Origin::client, std::move(detail)); }

std::optional<std::uint64_t> parse_index(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // The largest number is left out so that count() of a single range cannot wrap around.
  if (error != std::errc() || end != text.data() + text.size() || value == std::numeric_limits<std::uint64_t>::max())
    return std::nullopt;
  return value;
}

std::optional<Ranges::Range> parse_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_index(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_index(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return Ranges::Range{.first = *first, .last = *last};
}

}  // namespace

Result<Ranges> Ranges::parse(std::string_view text) {
  Ranges result;
  if (text.empty()) return result;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto range = parse_range(text.substr(at, comma - at));
    if (!range) return refuse("ranges are written like \"3-7,9\": ascending chunk numbers");
    if (!result.ranges.empty() && range->first <= result.ranges.back().last)
      return refuse("ranges have to ascend and must not overlap");
    if (result.ranges.size() == kRangesMax) return refuse(fmt::format("at most {} ranges are taken", kRangesMax));
    // "3-7,8" is one range: equal sets compare equal.
    if (!result.ranges.empty() && range->first == result.ranges.back().last + 1) {
      result.ranges.back().last = range->last;
    } else {
      result.ranges.push_back(*range);
    }
    at = comma + 1;
  }
  return result;
}

Ranges Ranges::all(std::uint64_t total) {
  Ranges result;
  if (total > 0) result.ranges.push_back({.first = 0, .last = total - 1});
  return result;
}

std::string Ranges::to_string() const {
  std::string text;
  for (const auto& range : ranges) {
    if (!text.empty()) text += ',';
    fmt::format_to(std::back_inserter(text), "{}", range.first);
    if (range.last != range.first) fmt::format_to(std::back_inserter(text), "-{}", range.last);
  }
  return text;
}

std::uint64_t Ranges::count() const {
  std::uint64_t sum = 0;
  for (const auto& range : ranges) sum += range.last - range.first + 1;
  return sum;
}

}  // namespace propeller::mqtt
