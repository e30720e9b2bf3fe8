#include "mqtt/ranges.hpp"

#include <gtest/gtest.h>

namespace propeller::mqtt {
namespace {

TEST(Ranges, TextComesBackAsItWent) {
  for (const std::string_view text : {"", "0", "3-7,9", "0-1,3,5-100"}) {
    const auto ranges = Ranges::parse(text);
    ASSERT_TRUE(ranges) << text;
    EXPECT_EQ(ranges->to_string(), text);
  }
}

TEST(Ranges, CountsAndKnowsItsLast) {
  const auto ranges = Ranges::parse("3-7,9");
  ASSERT_TRUE(ranges);
  EXPECT_EQ(ranges->count(), 6u);
  EXPECT_EQ(ranges->last(), 9u);
  EXPECT_EQ(Ranges::all(21), *Ranges::parse("0-20"));
  EXPECT_TRUE(Ranges::all(0).empty());
}

TEST(Ranges, NeighboursBecomeOneRangeSoThatEqualSetsAreEqual) {
  EXPECT_EQ(*Ranges::parse("3-4,5,6-7"), *Ranges::parse("3-7"));
}

TEST(Ranges, RefusesWhatIsNotAnAscendingListOfNumbers) {
  for (const std::string_view text : {"a", "-", "1-", "-1", "1,", ",1", "2,1", "1-3,3", "5-4", "1 ,2", "+1", "0x1",
                                      "1,,2", "18446744073709551615", "99999999999999999999", "1-2-3"}) {
    const auto ranges = Ranges::parse(text);
    ASSERT_FALSE(ranges) << text;
    EXPECT_EQ(ranges.error().code, Code::bad_request);
  }
}

TEST(Ranges, OneMoreThanTheLimitIsRefused) {
  std::string text;
  for (std::size_t i = 0; i < Ranges::kRangesMax; ++i) text += (i == 0 ? "" : ",") + std::to_string(2 * i);
  EXPECT_TRUE(Ranges::parse(text));
  EXPECT_FALSE(Ranges::parse(text + ",99999"));
}

}  // namespace
}  // namespace propeller::mqtt
