#include "http/date.hpp"

#include <gtest/gtest.h>

#include <string>

namespace propeller::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_seconds;

constexpr sys_seconds kNow{1'800'000'000s};  // in January 2027
constexpr sys_seconds kExample{784'111'777s};

TEST(ParseDate, TakesThreeForms) {
  for (const auto* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994", "sun, 06 nov 1994 08:49:37 gmt"})
    EXPECT_EQ(parse_date(text, kNow), kExample) << text;
}

TEST(ParseDate, AYearOfTwoDigitsIsNoMoreThanFiftyYearsAhead) {
  const auto year = [](const std::string& digits) {
    const auto date = parse_date("Monday, 01-Jan-" + digits + " 00:00:00 GMT", kNow);
    return static_cast<int>(std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(*date)).year());
  };
  EXPECT_EQ(year("77"), 2077);
  EXPECT_EQ(year("78"), 1978);
}

TEST(ParseDate, NothingElseIsADate) {
  for (const auto* text :
       {"", "0", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nix 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "784111777"})
    EXPECT_FALSE(parse_date(text, kNow)) << text;
}

TEST(WriteDate, ComesBack) {
  std::array<char, kDateBytes> text{};
  write_date(kExample, text);
  EXPECT_EQ(parse_date({text.data(), text.size()}, kNow), kExample);
}

}  // namespace
}  // namespace propeller::http
