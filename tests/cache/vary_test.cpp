#include "cache/vary.hpp"

#include <gtest/gtest.h>

namespace propeller::cache {
namespace {

using Names = std::vector<std::string>;

http::Fields one(std::string_view name, std::string_view value) {
  http::Fields fields;
  fields.add(name, value);
  return fields;
}

std::string variant(std::string_view name, std::string_view value) {
  return variant_of({std::string(name)}, one(name, value));
}

TEST(Vary, NamesAreSortedAndLowerCase) {
  auto fields = one("Vary", "Foo, accept,,foo");
  fields.add("vary", "BAR");
  EXPECT_EQ(vary_names(fields), (Names{"accept", "bar", "foo"}));
  EXPECT_EQ(vary_names({}), Names());
}

TEST(Vary, AStarOrNonsenseIsForNobodyElse) {
  for (const auto* value : {"*", "foo, *", ", *", "foo bar", "f\"o"})
    EXPECT_FALSE(vary_names(one("Vary", value))) << value;
}

TEST(Vary, MoreNamesThanTheBoundAreForNobodyElse) {
  std::string value;
  for (std::size_t i = 0; i <= kVaryNamesMax; ++i) value += "name" + std::to_string(i) + ",";
  EXPECT_FALSE(vary_names(one("Vary", value)));
}

TEST(Vary, NamesComeBack) { EXPECT_EQ(split_names(join_names({"a", "b"})), (Names{"a", "b"})); }

TEST(Variant, SameMeaningSameVariant) {
  EXPECT_EQ(variant("foo", "1,2"), variant("foo", " 1, 2 "));
  EXPECT_EQ(variant("accept-language", "en, DE"), variant("accept-language", "de,en"));
  EXPECT_EQ(variant("accept-language", "en; q=0.5"), variant("accept-language", "en;q=0.5"));
  http::Fields lines = one("foo", "1");
  lines.add("Foo", "2");
  EXPECT_EQ(variant_of({"foo"}, lines), variant("foo", "1, 2"));
}

TEST(Variant, OtherMeaningOtherVariant) {
  EXPECT_NE(variant("foo", "1,2"), variant("foo", "2,1"));
  EXPECT_NE(variant("foo", "a"), variant("foo", "A"));
  EXPECT_NE(variant("foo", ""), variant_of({"foo"}, {}));
  EXPECT_NE(variant_of({"a", "b"}, one("a", "1")), variant_of({"a", "b"}, one("b", "1")));
}

}  // namespace
}  // namespace propeller::cache
