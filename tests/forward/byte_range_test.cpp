#include "forward/byte_range.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace propeller::forward {
namespace {

using Kind = RangeChoice::Kind;

RangeChoice part(std::uint64_t offset, std::uint64_t count) {
  return {.kind = Kind::part, .range = {.offset = offset, .count = count}};
}

TEST(ChooseRange, CutsOneRangeAndGivesTheWholeForWhatItDoesNotUnderstand) {
  const RangeChoice whole{.kind = Kind::whole};
  const RangeChoice none{.kind = Kind::unsatisfiable};
  const std::vector<std::pair<std::string, RangeChoice>> cases{
      {"bytes=0-0", part(0, 1)},
      {"bytes=0-", part(0, 100)},
      {"Bytes = 10-19", whole},
      {"BYTES=10-19", part(10, 10)},
      {"bytes= 10 - 19 ", part(10, 10)},
      {"bytes=90-1000", part(90, 10)},
      {"bytes=-1", part(99, 1)},
      {"bytes=-1000", part(0, 100)},
      {"bytes=100-", none},
      {"bytes=100-200", none},
      {"bytes=-0", none},
      {"bytes=9-8", whole},
      {"bytes=0-1,3-4", whole},
      {"bytes=", whole},
      {"bytes=-", whole},
      {"bytes=a-b", whole},
      {"bytes=+1-2", whole},
      {"bytes=99999999999999999999-", whole},
      {"lines=0-1", whole},
      {"", whole},
  };
  for (const auto& [text, choice] : cases) EXPECT_EQ(choose_range(text, 100), choice) << text;
  EXPECT_EQ(choose_range("bytes=0-", 0), none);
  EXPECT_EQ(choose_range("bytes=-5", 0), none);
}

TEST(ParseContentRange, TakesACompleteOneOnly) {
  EXPECT_EQ(parse_content_range("bytes 5-9/10"), (ContentRange{.first = 5, .last = 9, .size = 10}));
  for (const auto* text : {"bytes 5-9/*", "bytes */10", "bytes 5-10/10", "bytes 9-5/10", "bytes=5-9/10", "5-9/10", "",
                           "bytes 5/10-9", "bytes -9/10", "bytes 5-9"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

}  // namespace
}  // namespace propeller::forward
