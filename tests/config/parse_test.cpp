#include "config/parse.hpp"

#include <gtest/gtest.h>

namespace propeller::config {
namespace {

using namespace std::chrono_literals;

TEST(ParseBool, TakesGoSpellingsAndNoOthers) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) EXPECT_EQ(parse_bool(yes), true) << yes;
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) EXPECT_EQ(parse_bool(no), false) << no;
  for (const char* other : {"", "yes", "tRUE", "on", " 1", "2"}) EXPECT_EQ(parse_bool(other), std::nullopt) << other;
}

TEST(ParseDuration, TakesGoDurationsAndPlainSeconds) {
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("1m30s"), 90s);
  EXPECT_EQ(parse_duration("1.5h"), 90min);
  EXPECT_EQ(parse_duration("2000us"), 2ms);
  EXPECT_EQ(parse_duration("30"), 30s);
  EXPECT_EQ(parse_duration("0"), 0s);
}

TEST(ParseDuration, RefusesSignsUnknownUnitsAndNonsense) {
  for (const char* text :
       {"", "-1s", "+1s", "s", "1x", "1m30", "inf", "nan", "1e3s", "1..5s", "99999999999999h", "1 s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(FormatDuration, IsWhatParseDurationTakes) {
  for (const auto duration : {0ms, 500ms, 1500ms, 30'000ms, 90'000ms, 120'000ms}) {
    EXPECT_EQ(parse_duration(format_duration(duration)), duration);
  }
}

TEST(SplitList, TrimsPartsAndKeepsEmptyOnes) {
  EXPECT_EQ(split_list("a, b ,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(split_list("a,"), (std::vector<std::string>{"a", ""}));
  EXPECT_TRUE(split_list("").empty());
}

TEST(IsHostPattern, TakesHostsWildcardsAddressesAndRanges) {
  for (const char* good : {"ghcr.io", "localhost:5000", "*.example.org", "10.0.0.0/8", "192.168.1.4", "fd00::/8", "::1",
                           "[::1]:5000", "*"}) {
    EXPECT_TRUE(is_host_pattern(good)) << good;
  }
  for (const char* bad :
       {"", "**", "http://x", "x:0", "x:99999", "10.0.0.0/33", "::/129", "host/8", "a b", "*.", "[::1", "a..b"}) {
    EXPECT_FALSE(is_host_pattern(bad)) << bad;
  }
}

TEST(IsTopicLevel, RefusesWhatWouldChangeTheTopic) {
  EXPECT_TRUE(is_topic_level("d2a1c0de-0000-4000-8000-000000000000"));
  for (const std::string bad : {"", "a/b", "+", "#", "$SYS", "a\nb"}) EXPECT_FALSE(is_topic_level(bad)) << bad;
  EXPECT_TRUE(is_topic_level(std::string(128, 'x')));
  EXPECT_FALSE(is_topic_level(std::string(129, 'x')));
}

TEST(ShowValue, MasksUserInformationEvenWhenThePasswordHoldsDelimiters) {
  EXPECT_EQ(show_value("http://user:hunter2@host:1"), "\"http://***@host:1\"");
  EXPECT_EQ(show_value("http://user:hun/t@er2@host"), "\"http://***@host\"");
  EXPECT_EQ(show_value("user:hunter2@host"), "\"***@host\"");
}

TEST(ShowValue, EscapesControlCharactersAndCutsLongValues) {
  EXPECT_EQ(show_value("a\nb"), "\"a\\x0ab\"");
  EXPECT_LT(show_value(std::string(5000, 'x')).size(), 250u);
}

TEST(Suggest, FindsTypingErrorsAndNothingFarAway) {
  const std::vector<std::string_view> names{"PROXY_CHUNK_SIZE", "PROXY_SPOOL_SIZE"};
  EXPECT_EQ(suggest("PROXY_CHUNKSIZE", names), "PROXY_CHUNK_SIZE");
  EXPECT_EQ(suggest("PROXY_SPOL_SIZE", names), "PROXY_SPOOL_SIZE");
  EXPECT_EQ(suggest("PROXY_SOMETHING_ELSE", names), "");
}

}  // namespace
}  // namespace propeller::config
