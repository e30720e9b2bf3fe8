#include "config/yaml.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Kind = YamlNode::Kind;

YamlNode parse(const std::string& text) {
  auto node = parse_yaml(text);
  EXPECT_TRUE(node) << node.error().detail;
  return node.value_or(YamlNode{.entries = {}});
}

std::string refusal(const std::string& text) {
  const auto node = parse_yaml(text);
  EXPECT_FALSE(node) << text;
  return node ? "" : node.error().detail;
}

TEST(Yaml, KeepsOrderKindsAndLines) {
  const auto root = parse("# first\nb: 1\na:\n  - x\n  - [y, z]\nn:\nq: \"null\"\n");
  ASSERT_EQ(root.kind, Kind::map);
  ASSERT_EQ(root.entries.size(), 4U);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[0].line, 2U);
  EXPECT_EQ(root.find("b")->text, "1");
  EXPECT_EQ(root.find("a")->items.at(0).line, 4U);
  EXPECT_EQ(root.find("a")->items.at(1).items.at(1).text, "z");
  EXPECT_EQ(root.find("n")->kind, Kind::null);
  EXPECT_EQ(root.find("q")->kind, Kind::scalar);
  EXPECT_EQ(root.find("none"), nullptr);
}

TEST(Yaml, AnEmptyTextIsNothing) {
  EXPECT_EQ(parse("").kind, Kind::null);
  EXPECT_EQ(parse("# only a comment\n").kind, Kind::null);
}

TEST(Yaml, AliasesAreReplacedByWhatTheyStandFor) {
  const auto root = parse("a: &x {k: v}\nb: *x\n");
  EXPECT_EQ(root.find("b")->find("k")->text, "v");
  EXPECT_EQ(root.find("b")->line, 2U);
}

TEST(Yaml, SaysInWhichLineTheTextIsWrong) {
  EXPECT_THAT(refusal("a: 1\nb: [1, 2\n"), StartsWith("line "));
  EXPECT_THAT(refusal("a: 1\n\tb: 2\n"), StartsWith("line 2: "));
  EXPECT_THAT(refusal(std::string("a: 1\nb: \0", 9)), StartsWith("line 2: "));
}

TEST(Yaml, RefusesWhatHasTwoMeanings) {
  EXPECT_THAT(refusal("a: 1\nb: 2\na: 3\n"), testing::AllOf(StartsWith("line 3: "), HasSubstr("first on line 1")));
  EXPECT_THAT(refusal("[a, b]: 1\n"), HasSubstr("cannot be a key"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(refusal("a: &x [*x]\n"), StartsWith("line 1: "));
}

TEST(Yaml, BoundsBytes) {
  EXPECT_TRUE(parse_yaml(std::string(kYamlBytesMax, '#')));
  EXPECT_THAT(refusal(std::string(kYamlBytesMax + 1, '#')), HasSubstr("bytes"));
}

TEST(Yaml, BoundsDepth) {
  EXPECT_TRUE(parse_yaml(std::string(kYamlDepthMax, '[') + std::string(kYamlDepthMax, ']')));
  EXPECT_THAT(refusal(std::string(kYamlDepthMax + 1, '[')), HasSubstr("levels deep"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("levels deep"));
  // Each alias is one level deeper than what it names.
  std::string chain = "a0: &x0 []\n";
  for (std::size_t i = 1; i <= kYamlDepthMax; ++i) chain += fmt::format("a{}: &x{} [*x{}]\n", i, i, i - 1);
  EXPECT_THAT(refusal(chain), HasSubstr("levels deep"));
}

TEST(Yaml, BoundsWhatAliasesMultiply) {
  std::string laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char name = 'b'; name <= 'i'; ++name) {
    laughs += fmt::format("{0}: &{0} [", name);
    for (int i = 0; i < 10; ++i) laughs += fmt::format("{}*{}", i == 0 ? "" : ",", static_cast<char>(name - 1));
    laughs += "]\n";
  }
  EXPECT_THAT(refusal(laughs), HasSubstr("values"));
}

TEST(Yaml, BoundsValues) {
  std::string list = "[";
  for (std::size_t i = 0; i < kYamlNodesMax; ++i) list += "1,";
  EXPECT_THAT(refusal(list + "1]"), HasSubstr("values"));
}

}  // namespace
}  // namespace propeller::config
