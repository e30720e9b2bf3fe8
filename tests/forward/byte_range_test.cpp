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

TEST(ChooseRanges, TakesThoseThatAreThereInTheirOrder) {
  using Ranges = std::vector<ByteRange>;
  std::string too_many = "bytes=0-0";
  for (std::size_t i = 0; i < kRangesMax; ++i) too_many.append(",0-0");
  const std::vector<std::pair<std::string, Ranges>> cases{
      {"bytes=0-1,4-5", {{0, 2}, {4, 2}}},
      {"bytes=90-, 0-0 ,-1", {{90, 10}, {0, 1}, {99, 1}}},
      {"bytes=0-1,100-200", {{0, 2}}},
      {"bytes=100-,200-", {}},
      {"bytes=0-1", {}},
      {"bytes=0-1,x", {}},
      {"bytes=0-49,50-99", {}},
      {"bytes=0-,0-,0-", {}},
      {"lines=0-1,4-5", {}},
      {too_many, {}},
      {too_many.substr(0, too_many.size() - 4), Ranges(kRangesMax, {0, 1})},
  };
  for (const auto& [value, expected] : cases) EXPECT_EQ(choose_ranges(value, 100), expected) << value;
}

TEST(Cover, EndsBeforeTheFirstByteThatIsMissing) {
  const std::vector<ContentRange> parts{{10, 19, 100}, {0, 4, 100}, {3, 11, 100}, {30, 39, 100}};
  EXPECT_EQ(cover(parts, {0, 20}), (std::vector<PartSlice>{{1, {0, 5}}, {2, {2, 7}}, {0, {2, 8}}}));
  EXPECT_EQ(cover(parts, {12, 3}), (std::vector<PartSlice>{{0, {2, 3}}}));
  EXPECT_EQ(cover(parts, {15, 20}), (std::vector<PartSlice>{{0, {5, 5}}}));
  EXPECT_TRUE(cover(parts, {20, 5}).empty());
  EXPECT_TRUE(cover({}, {0, 1}).empty());
}

}  // namespace
}  // namespace propeller::forward
