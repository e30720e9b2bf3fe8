#include "forward/header_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::forward {
namespace {

using config::HeaderRule;
using testing::ElementsAre;
using testing::IsEmpty;

HeaderRule rule(std::string pattern, std::vector<config::HeaderCondition> conditions, std::string value) {
  return {.pattern = std::move(pattern),
          .conditions = std::move(conditions),
          .set = {{"X-Rule", Secret(std::move(value))}},
          .append = {}};
}

std::vector<std::string> changes(const HeaderRules& rules, std::string_view host,
                                 const std::vector<http::Field>& fields = {}) {
  std::vector<std::string> out;
  const auto injection = rules.apply(host, fields);
  for (const auto& change : injection.changes) out.push_back(std::string(change.name) + ": " + change.value.reveal());
  return out;
}

TEST(HeaderRules, TheMostSpecificPatternWinsHoweverTheyAreWrittenDown) {
  std::vector<HeaderRule> all{rule("*", {}, "any"), rule("*.example.com", {}, "suffix"),
                              rule("*.b.example.com", {}, "longer"), rule("a.b.example.com", {}, "exact"),
                              rule("a.*", {}, "prefix")};
  for (int turn = 0; turn < 5; ++turn) {
    std::ranges::rotate(all, all.begin() + 1);
    const HeaderRules rules(all);
    EXPECT_THAT(changes(rules, "a.b.example.com"), ElementsAre("X-Rule: exact"));
    EXPECT_THAT(changes(rules, "c.b.example.com"), ElementsAre("X-Rule: longer"));
    EXPECT_THAT(changes(rules, "c.example.com"), ElementsAre("X-Rule: suffix"));
    EXPECT_THAT(changes(rules, "a.example.com"), ElementsAre("X-Rule: suffix"));
    EXPECT_THAT(changes(rules, "a.net"), ElementsAre("X-Rule: prefix"));
    EXPECT_THAT(changes(rules, "example.com"), ElementsAre("X-Rule: any"));
  }
}

// A rule whose conditions failed ended the search of the existing proxies, and claimed an injection in the log.
TEST(HeaderRules, ARuleWhoseConditionsFailLetsTheNextOneTry) {
  const HeaderRules rules(
      {rule("a.example", {{"X-Env", "prod"}, {"X-Region", "eu"}}, "exact"), rule("*.example", {}, "wild")});
  EXPECT_THAT(changes(rules, "a.example", {{"x-env", "prod"}, {"X-REGION", "eu"}}), ElementsAre("X-Rule: exact"));
  EXPECT_THAT(changes(rules, "a.example", {{"X-Env", "prod"}}), ElementsAre("X-Rule: wild"));
  EXPECT_EQ(rules.apply("a.example", std::vector<http::Field>{{"X-Env", "PROD"}, {"X-Region", "eu"}}).pattern,
            "*.example");
}

TEST(HeaderRules, AConditionLooksAtTheFirstValue) {
  const HeaderRules rules({rule("a", {{"X-Env", "one"}}, "yes")});
  EXPECT_THAT(changes(rules, "a", {{"X-Env", "one"}, {"X-Env", "two"}}), ElementsAre("X-Rule: yes"));
  EXPECT_THAT(changes(rules, "a", {{"X-Env", "two"}, {"X-Env", "one"}}), IsEmpty());
}

// The existing proxies lost the second value and those behind it.
TEST(HeaderRules, AppendKeepsEveryValueThereIs) {
  const HeaderRules rules({{.pattern = "a", .conditions = {}, .set = {}, .append = {{"Via", Secret("1.1 p")}}}});
  EXPECT_THAT(changes(rules, "a"), ElementsAre("Via: 1.1 p"));
  EXPECT_THAT(changes(rules, "a", {{"via", "1.0 x"}}), ElementsAre("Via: 1.0 x, 1.1 p"));
  EXPECT_THAT(changes(rules, "a", {{"Via", "1.0 x, 1.0 y"}, {"B", "c"}, {"VIA", "1.1 z"}, {"Via", ""}}),
              ElementsAre("Via: 1.0 x, 1.0 y, 1.1 z, 1.1 p"));
}

TEST(HeaderRules, SetReplacesAndAppendAddsToWhatWasSet) {
  const HeaderRules rules({{.pattern = "a",
                            .conditions = {},
                            .set = {{"X-A", Secret("1")}, {"x-a", Secret("2")}},
                            .append = {{"X-a", Secret("3")}, {"X-B", Secret("4")}}}});
  EXPECT_THAT(changes(rules, "a", {{"X-A", "old"}}), ElementsAre("X-A: 2, 3", "X-B: 4"));
}

TEST(HeaderRules, AnotherHostGetsNothing) {
  const HeaderRules rules({rule("a.example", {}, "x")});
  EXPECT_THAT(changes(rules, "b.example"), IsEmpty());
  EXPECT_TRUE(rules.apply("b.example", {}).pattern.empty());
  EXPECT_TRUE(HeaderRules().empty());
}

}  // namespace
}  // namespace propeller::forward
