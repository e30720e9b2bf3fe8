#include "registry/challenge.hpp"

#include <gtest/gtest.h>

namespace propeller::registry {
namespace {

std::string shown(std::string_view field) {
  const auto challenges = parse_challenges(field);
  if (!challenges) return "error";
  std::string text;
  for (const auto& challenge : *challenges) {
    text += "[" + challenge.scheme + (challenge.token68.empty() ? "" : " " + challenge.token68);
    for (const auto& [name, value] : challenge.parameters) text += " " + name + "=<" + value + ">";
    text += "]";
  }
  return text;
}

TEST(ParseChallenges, TakesWhatRegistriesSend) {
  EXPECT_EQ(
      shown(
          R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")"),
      "[bearer realm=<https://auth.docker.io/token> service=<registry.docker.io> scope=<repository:a/b:pull,push>]");
  EXPECT_EQ(shown(R"(Basic realm="Registry Realm")"), "[basic realm=<Registry Realm>]");
  EXPECT_EQ(shown("BEARER Realm=\"x\", error=invalid_token"), "[bearer realm=<x> error=<invalid_token>]");
}

TEST(ParseChallenges, TellsSeveralChallengesApart) {
  EXPECT_EQ(shown(R"(Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple")"),
            R"([newauth realm=<apps> type=<1> title=<Login to "apps">][basic realm=<simple>])");
  EXPECT_EQ(shown("Negotiate, Basic realm=x"), "[negotiate][basic realm=<x>]");
  EXPECT_EQ(shown("Negotiate YWJj==, Bearer realm=\"r\""), "[negotiate YWJj==][bearer realm=<r>]");
}

TEST(ParseChallenges, ToleratesEmptyListElementsAndBlanks) {
  EXPECT_EQ(shown(R"(, ,Bearer realm = "r" ,, service="s",)"), "[bearer realm=<r> service=<s>]");
  EXPECT_EQ(shown(""), "");
}

TEST(ParseChallenges, RefusesWhatIsAgainstTheGrammar) {
  for (const std::string_view field : {R"(Bearer realm="open)", R"(Bearer realm="x\)", "\"Bearer\"",
                                       R"(Bearer a="1" b="2")", "Bearer(x)", "Bearer realm=\"r\" trailing"}) {
    EXPECT_EQ(shown(field), "error") << field;
  }
}

TEST(ParseChallenges, EverythingHasALimit) {
  std::string many_parameters = "Bearer a=1";
  for (std::size_t i = 0; i < kChallengeParametersMax; ++i) many_parameters += ",a=1";
  EXPECT_EQ(shown(many_parameters), "error");
  std::string many_challenges = "A";
  for (std::size_t i = 0; i < kChallengesMax; ++i) many_challenges += ",A";
  EXPECT_EQ(shown(many_challenges), "error");
  EXPECT_EQ(shown("Bearer realm=\"" + std::string(kChallengeBytesMax, 'r') + "\""), "error");
}

}  // namespace
}  // namespace propeller::registry
