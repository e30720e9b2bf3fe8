// Range of a client and Content-Range of an upstream: what is cut out lies within the content, whatever they say.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "forward/byte_range.hpp"
#include "forward/cache_answer.hpp"

namespace {

using namespace propeller::forward;

/// Of a part in each line: what is put together has no gap, and ends where no part goes on.
void check_cover(std::string_view text) {
  constexpr std::size_t kPartsMax = 64;
  std::vector<ContentRange> parts;
  while (!text.empty() && parts.size() < kPartsMax) {
    const auto end = std::min(text.find('\n'), text.size());
    if (const auto part = parse_content_range(text.substr(0, end))) parts.push_back(*part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (parts.empty()) return;
  const ByteRange wanted{.offset = parts.front().size / 4, .count = parts.front().size / 2};
  auto next = wanted.offset;
  for (const auto& slice : cover(parts, wanted)) {
    const auto& part = parts[slice.part];
    ASSERT(slice.range.count > 0 && part.first + slice.range.offset == next);
    next += slice.range.count;
    ASSERT(next <= part.last + 1);
  }
  const auto end = wanted.offset + wanted.count;
  ASSERT(next <= end);
  for (const auto& part : parts) ASSERT(next == end || next < part.first || next > part.last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Kind = RangeChoice::Kind;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::uint64_t content : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, UINT64_MAX >> 1}) {
    std::uint64_t sum = 0;
    const auto ranges = choose_ranges(text, content);
    ASSERT(ranges.size() <= kRangesMax);
    for (const auto& range : ranges) {
      ASSERT(range.count > 0 && range.offset < content && range.count <= content - range.offset);
      sum += range.count;
      ASSERT(sum < content);
    }
    const auto choice = choose_range(text, content);
    if (choice.kind != Kind::part) continue;
    ASSERT(choice.range.count > 0 && choice.range.offset < content);
    ASSERT(choice.range.count <= content - choice.range.offset);
  }
  if (const auto range = parse_content_range(text)) {
    ASSERT(range->first <= range->last && range->last < range->size);
    const ByteRange whole{.offset = range->first, .count = range->last - range->first + 1};
    ASSERT(parse_content_range(content_range(whole, range->size)) == range);
  }
  check_cover(text);
  // The kept fields of a response come back as they were.
  for (const auto rules : {CacheRules::content, CacheRules::http}) {
    const auto kept = kept_header_text(fields_of(text), rules);
    ASSERT(kept_header_text(fields_of(kept), rules) == kept);
  }
  return 0;
}
