#include "observe/escape.hpp"

#include <gtest/gtest.h>

namespace propeller::observe {
namespace {

constexpr std::size_t kPlenty = 1000;

TEST(TextValue, IsBareWhereNothingNeedsQuotes) {
  EXPECT_EQ(text_value("docker.io/acme/add.wasm:1", kPlenty), "docker.io/acme/add.wasm:1");
}

TEST(TextValue, IsQuotedWhenItIsEmptyOrCouldBeReadAsAnotherField) {
  EXPECT_EQ(text_value("", kPlenty), "\"\"");
  EXPECT_EQ(text_value("a b", kPlenty), "\"a b\"");
  EXPECT_EQ(text_value("a=b", kPlenty), "\"a=b\"");
  EXPECT_EQ(text_value("a\"b", kPlenty), "\"a\\\"b\"");
}

// A device chooses app_name: with a raw newline it could write a log line of its own.
TEST(TextValue, CannotBeginANewLine) {
  EXPECT_EQ(text_value("x\n2026-01-01T00:00:00.000Z ERROR forged", kPlenty),
            "\"x\\n2026-01-01T00:00:00.000Z ERROR forged\"");
  EXPECT_EQ(text_value("\r\x1b[2J\x7f", kPlenty), "\"\\r\\u001b[2J\\u007f\"");
  EXPECT_EQ(text_value("\xC2\x85\xE2\x80\xA8\xE2\x80\xAE", kPlenty), "\"\\u0085\\u2028\\u202e\"");
}

TEST(TextValue, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(text_value("\xFF", kPlenty), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(text_value("\xC0\xAF", kPlenty), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(text_value("\xED\xA0\x80", kPlenty), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(text_value("\xE2\x82", kPlenty), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(text_value("\xF0\x9F\x98\x80", kPlenty), "\"\xF0\x9F\x98\x80\"");
}

TEST(TextValue, IsCutAtItsLimitButNotInsideACharacter) {
  EXPECT_EQ(text_value("abcdef", 4), "\"abcd...\"");
  EXPECT_EQ(text_value("abc\xE2\x82\xAC", 5), "\"abc...\"");
}

TEST(JsonString, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(json_string("a\"b\\c\n", kPlenty), "\"a\\\"b\\\\c\\n\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1), kPlenty), "\"\\u0000\"");
}

}  // namespace
}  // namespace propeller::observe
