// What stands in a bucket that others write to, and what its server says when it refuses: a record that is taken is
// written back the way it was read, and nothing of either can become a line of its own in a head or a log.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "tier/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  if (const auto record = tier::parse_record(text)) {
    ASSERT(tier::format_record(*record) == text);
    ASSERT(std::ranges::none_of(record->content_type, is_control));
    ASSERT(text.size() <= tier::Record::kTextBytesMax);
  }
  ASSERT(std::ranges::none_of(tier::error_code(text), is_control));
  return 0;
}
