#include "base/units.hpp"

#include <gtest/gtest.h>

namespace propeller::base {
namespace {

TEST(ParseBytes, TakesPlainNumbersAndUnits) {
  EXPECT_EQ(parse_bytes("512000"), 512000u);
  EXPECT_EQ(parse_bytes("2GiB"), 2 * kGiB);
  EXPECT_EQ(parse_bytes("10 MB"), 10'000'000u);
  EXPECT_EQ(parse_bytes("1k"), 1024u);
}

TEST(ParseBytes, RefusesSignsFractionsUnknownUnitsAndOverflow) {
  for (const std::string_view text :
       {"", "-1", "1.5MiB", "5 apples", "99999999999999999999", "18446744073709551615k"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
}

TEST(FormatBytes, PicksTheUnitAPersonWould) {
  EXPECT_EQ(format_bytes(600), "600 B");
  EXPECT_EQ(format_bytes(50 * kMiB), "50.0 MiB");
}

}  // namespace
}  // namespace propeller::base
