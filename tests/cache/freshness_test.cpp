#include "cache/freshness.hpp"

#include <gtest/gtest.h>

#include "http/date.hpp"

namespace propeller::cache {
namespace {

using namespace std::chrono_literals;
using Use = Verdict::Use;

constexpr sys_seconds kNow{1'800'000'000s};

std::string date(seconds from_now) {
  std::array<char, http::kDateBytes> text{};
  http::write_date(kNow + from_now, text);
  return {text.data(), text.size()};
}

struct Line {
  std::string_view name;
  std::string value;
};

http::Fields fields_of(const std::vector<Line>& lines) {
  http::Fields fields;
  for (const auto& line : lines) fields.add(line.name, line.value);
  return fields;
}

Lifetime life(const std::vector<Line>& lines, int status = 200) {
  const auto fields = fields_of(lines);
  return lifetime(status, fields, response_directives(fields), kNow);
}

seconds age(const std::vector<Line>& lines, seconds took = 0s) {
  return initial_age(fields_of(lines), kNow - took, kNow);
}

/// A response that came `old` ago, as a request with these directives meets it now.
Verdict verdict(std::string said, seconds old, const RequestDirectives& asked = {}) {
  const auto fields = fields_of({{"Cache-Control", std::move(said)}});
  return judge({.fields = fields, .received = kNow - old}, asked, kNow);
}

TEST(Lifetime, SharedBeforeMaxAgeBeforeExpires) {
  EXPECT_EQ(life({{"Cache-Control", "max-age=5, s-maxage=9"}, {"Expires", date(99s)}}).length, 9s);
  EXPECT_EQ(life({{"Cache-Control", "max-age=5"}, {"Expires", date(99s)}}).length, 5s);
  EXPECT_EQ(life({{"Expires", date(99s)}, {"Date", date(-1s)}}).length, 100s);
}

TEST(Lifetime, OfExpiresThatIsPastOrNoDateThereIsNone) {
  EXPECT_EQ(life({{"Expires", date(-5s)}}).length, 0s);
  EXPECT_EQ(life({{"Expires", "0"}}).length, 0s);
  EXPECT_TRUE(life({{"Expires", "0"}}).is_explicit);
}

TEST(Lifetime, IsGuessedFromLastModifiedForADayAtMost) {
  EXPECT_EQ(life({{"Last-Modified", date(-1000s)}}).length, 100s);
  EXPECT_FALSE(life({{"Last-Modified", date(-1000s)}}).is_explicit);
  EXPECT_EQ(life({{"Last-Modified", date(-240h * 100)}}).length, 24h);
  EXPECT_EQ(life({{"Last-Modified", date(1000s)}}).length, 0s);
}

TEST(Lifetime, IsNotGuessedForWhatIsOfTheMoment) {
  EXPECT_EQ(life({{"Last-Modified", date(-1000s)}}, 503).length, 0s);
  EXPECT_EQ(life({{"Last-Modified", date(-1000s)}, {"Cache-Control", "public"}}, 599).length, 100s);
}

TEST(InitialAge, IsTheLargerOfWhatIsSaidAndWhatTheDateShows) {
  EXPECT_EQ(age({{"Date", date(-7s)}}), 7s);
  EXPECT_EQ(age({{"Date", date(-7s)}, {"Age", "30"}}), 30s);
  EXPECT_EQ(age({{"Date", date(0s)}, {"Age", "30"}}, 4s), 34s);
  EXPECT_EQ(age({{"Date", date(500s)}}), 0s);
}

TEST(InitialAge, FirstMemberCountsAndWhatIsNoNumberDoesNot) {
  EXPECT_EQ(age({{"Age", "7, 0"}}), 7s);
  EXPECT_EQ(age({{"Age", "0"}, {"Age", "7"}}), 0s);
  for (const auto* value : {"abc", "-7", "7.0", "7 7", ""}) EXPECT_EQ(age({{"Age", value}}), 0s) << value;
  EXPECT_EQ(age({{"Age", "99999999999999999999999"}}), kSecondsMax);
}

TEST(Verdict, FreshUntilItsTimeIsOver) {
  EXPECT_EQ(verdict("max-age=10", 9s).use, Use::fresh);
  EXPECT_EQ(verdict("max-age=10", 10s).use, Use::after_checking);
  EXPECT_EQ(verdict("max-age=10", 9s).time_left, 1s);
}

TEST(Verdict, NothingIsFreshForLongerThanTheCap) {
  const auto fields = fields_of({{"Cache-Control", "max-age=60"}});
  const StoredResponse stored{.fields = fields, .received = kNow - 20s};
  EXPECT_EQ(judge(stored, {}, kNow, 21s).use, Use::fresh);
  EXPECT_EQ(judge(stored, {}, kNow, 20s).use, Use::after_checking);
}

TEST(Verdict, NoCacheIsCheckedEachTime) {
  EXPECT_EQ(verdict("max-age=10, no-cache", 1s).use, Use::after_checking);
  EXPECT_EQ(verdict("max-age=10", 1s, {.no_cache = true}).use, Use::after_checking);
}

TEST(Verdict, TheRequestMaySetTheBar) {
  EXPECT_EQ(verdict("max-age=10", 5s, {.max_age = 4s}).use, Use::after_checking);
  EXPECT_EQ(verdict("max-age=10", 5s, {.min_fresh = 5s}).use, Use::after_checking);
  EXPECT_EQ(verdict("max-age=10", 5s, {.min_fresh = 4s}).use, Use::fresh);
  EXPECT_EQ(verdict("max-age=10", 15s, {.max_stale = 5s}).use, Use::fresh);
  EXPECT_EQ(verdict("max-age=10", 16s, {.max_stale = 5s}).use, Use::after_checking);
}

TEST(Verdict, StaleWhileRevalidateHasAnEnd) {
  EXPECT_EQ(verdict("max-age=10, stale-while-revalidate=5", 15s).use, Use::stale_at_once);
  EXPECT_EQ(verdict("max-age=10, stale-while-revalidate=5", 16s).use, Use::after_checking);
}

TEST(Verdict, WhatMustBeRevalidatedIsNeverStale) {
  for (const auto* bound : {"must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"}) {
    const auto text = std::string("max-age=10, stale-while-revalidate=99, stale-if-error=99, ") + bound;
    const auto found = verdict(text, 15s, {.max_stale = 99s});
    EXPECT_EQ(found.use, Use::after_checking) << bound;
    EXPECT_FALSE(found.may_outlive_silence || found.may_outlive_errors) << bound;
  }
}

TEST(Verdict, SilenceIsOutlivedByDefaultAndErrorsOnlyOnRequest) {
  EXPECT_TRUE(verdict("max-age=10", 99s).may_outlive_silence);
  EXPECT_FALSE(verdict("max-age=10", 99s).may_outlive_errors);
  EXPECT_TRUE(verdict("max-age=10, stale-if-error=90", 99s).may_outlive_errors);
  EXPECT_FALSE(verdict("max-age=10, stale-if-error=80", 99s).may_outlive_errors);
}

}  // namespace
}  // namespace propeller::cache
