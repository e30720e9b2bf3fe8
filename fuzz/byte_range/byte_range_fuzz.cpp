// Range of a client and Content-Range of an upstream: what is cut out lies within the content, whatever they say.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "forward/byte_range.hpp"
#include "forward/cache_answer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::forward;
  using Kind = RangeChoice::Kind;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::uint64_t content : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, UINT64_MAX >> 1}) {
    const auto choice = choose_range(text, content);
    if (choice.kind != Kind::part) continue;
    ASSERT(choice.range.count > 0 && choice.range.offset < content);
    ASSERT(choice.range.count <= content - choice.range.offset);
  }
  if (const auto range = parse_content_range(text)) ASSERT(range->first <= range->last && range->last < range->size);
  // The kept fields of a response come back as they were.
  for (const auto rules : {CacheRules::content, CacheRules::http}) {
    const auto kept = kept_header_text(fields_of(text), rules);
    ASSERT(kept_header_text(fields_of(kept), rules) == kept);
  }
  return 0;
}
