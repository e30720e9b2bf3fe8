#include "forward/byte_range.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "http/syntax.hpp"

namespace propeller::forward {

using http::parse_decimal;
using http::trim;

namespace {

/// "bytes", then a separator: what follows. Nothing when it is another unit.
std::optional<std::string_view> after_unit(std::string_view text, char separator) {
  constexpr std::string_view kUnit = "bytes";
  text = trim(text);
  if (text.size() <= kUnit.size() || text[kUnit.size()] != separator) return std::nullopt;
  if (!http::equals_ignoring_case(text.substr(0, kUnit.size()), kUnit)) return std::nullopt;
  return trim(text.substr(kUnit.size() + 1));
}

RangeChoice last_bytes(std::string_view digits, std::uint64_t size) {
  const auto wanted = parse_decimal(digits);
  if (!wanted) return {};
  if (*wanted == 0 || size == 0) return {.kind = RangeChoice::Kind::unsatisfiable};
  const auto count = std::min(*wanted, size);
  return {.kind = RangeChoice::Kind::part, .range = {.offset = size - count, .count = count}};
}

/// "0-99", "100-" or "-5"; `whole` when it is malformed.
RangeChoice choose_one(std::string_view range, std::uint64_t size) {
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return {};
  const auto from = trim(range.substr(0, dash));
  const auto to = trim(range.substr(dash + 1));
  if (from.empty()) return last_bytes(to, size);
  const auto first = parse_decimal(from);
  const auto last = to.empty() ? std::optional(UINT64_MAX) : parse_decimal(to);
  if (!first || !last || *last < *first) return {};
  if (*first >= size) return {.kind = RangeChoice::Kind::unsatisfiable};
  return {.kind = RangeChoice::Kind::part,
          .range = {.offset = *first, .count = std::min(*last, size - 1) - *first + 1}};
}

}  // namespace

RangeChoice choose_range(std::string_view value, std::uint64_t size) {
  const auto range = after_unit(value, '=');
  return range ? choose_one(*range, size) : RangeChoice();
}

std::vector<ByteRange> choose_ranges(std::string_view value, std::uint64_t size) {
  const auto list = after_unit(value, '=');
  if (!list || !list->contains(',')) return {};
  std::vector<ByteRange> ranges;
  std::string_view rest = *list;
  std::uint64_t left = size;
  for (std::size_t named = 0; const auto member = http::next_member(rest); ++named) {
    const auto choice = choose_one(*member, size);
    if (choice.kind == RangeChoice::Kind::whole || named == kRangesMax) return {};
    if (choice.kind == RangeChoice::Kind::unsatisfiable) continue;
    if (choice.range.count >= left) return {};
    left -= choice.range.count;
    ranges.push_back(choice.range);
  }
  return ranges;
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  const auto text = after_unit(value, ' ');
  if (!text) return std::nullopt;
  const auto dash = text->find('-');
  const auto slash = text->find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = parse_decimal(text->substr(0, dash));
  const auto last = parse_decimal(text->substr(dash + 1, slash - dash - 1));
  const auto size = parse_decimal(text->substr(slash + 1));
  if (!first || !last || !size || *last < *first || *last >= *size) return std::nullopt;
  return ContentRange{.first = *first, .last = *last, .size = *size};
}

std::string content_range(ByteRange range, std::uint64_t size) {
  return fmt::format("bytes {}-{}/{}", range.offset, range.offset + range.count - 1, size);
}

std::vector<PartSlice> cover(std::span<const ContentRange> parts, ByteRange wanted) {
  std::vector<PartSlice> slices;
  auto next = wanted.offset;
  const auto end = wanted.offset + wanted.count;
  while (next < end) {
    const ContentRange* best = nullptr;
    for (const auto& part : parts) {
      const bool has_next = part.first <= next && next <= part.last;
      if (has_next && (best == nullptr || part.last > best->last)) best = &part;
    }
    if (best == nullptr) break;
    const auto upto = std::min(end, best->last + 1);
    slices.push_back({.part = static_cast<std::size_t>(best - parts.data()),
                      .range = {.offset = next - best->first, .count = upto - next}});
    next = upto;
  }
  return slices;
}

}  // namespace propeller::forward
