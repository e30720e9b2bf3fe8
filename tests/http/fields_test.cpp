#include "http/fields.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace propeller::http {
namespace {

TEST(Fields, FindsNamesInAnyCaseAndTheFirstOfSeveral) {
  Fields fields;
  fields.add("Accept", "a");
  fields.add("ACCEPT", "b");
  EXPECT_EQ(fields.find("accept"), "a");
  EXPECT_EQ(fields.count("aCCept"), 2u);
  EXPECT_EQ(fields.joined("accept"), "a, b");
  EXPECT_FALSE(fields.find("accep"));
}

TEST(Fields, SetReplacesAllOfAName) {
  Fields fields;
  fields.add("a", "1");
  fields.add("b", "2");
  fields.add("A", "3");
  fields.set("a", "4");
  fields.set("c", "5");
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields.joined("a"), "4");
  EXPECT_EQ(fields.find("b"), "2");
  EXPECT_EQ(fields.find("c"), "5");
}

TEST(Fields, FindsMembersOfListsButNotInQuotes) {
  Fields fields;
  fields.add("connection", "Foo , bar");
  fields.add("connection", "\"close, x\"");
  EXPECT_TRUE(fields.has_member("Connection", "foo"));
  EXPECT_TRUE(fields.has_member("Connection", "BAR"));
  EXPECT_FALSE(fields.has_member("Connection", "close"));
  EXPECT_FALSE(fields.has_member("Connection", "fo"));
}

TEST(Fields, TheirTextStaysWhereItIsOverGrowthAndMoves) {
  Fields fields;
  fields.add("first", "value");
  const std::string_view first = *fields.find("first");
  for (int i = 0; i < 1000; ++i) fields.add("name", "some value of some length");
  const Fields moved = std::move(fields);
  EXPECT_EQ(first, "value");
  EXPECT_EQ(moved.find("first")->data(), first.data());
}

TEST(Fields, ACopyHasItsOwnText) {
  Fields copy;
  {
    Fields fields;
    fields.add("a", "value");
    copy = fields;
  }
  EXPECT_EQ(copy.find("a"), "value");
}

TEST(Fields, MayBeAssignedPartOfThemselves) {
  Fields fields;
  fields.add("a", "1");
  fields.add("b", "2");
  fields.assign(FieldView(std::span(fields.begin(), fields.end()).subspan(1)));
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields.find("b"), "2");
}

}  // namespace
}  // namespace propeller::http
