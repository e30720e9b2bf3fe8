#include "launch/command_words.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::launch {
namespace {

using testing::ElementsAre;

TEST(CommandWords, BlanksSeparateAndQuotesHoldTogether) {
  EXPECT_THAT(command_words("  dockerd \t --debug\n").value(), ElementsAre("dockerd", "--debug"));
  EXPECT_THAT(command_words("sh -c 'exec a \"$B\"'").value(), ElementsAre("sh", "-c", "exec a \"$B\""));
  EXPECT_THAT(command_words(R"(a "b c"d'e f')").value(), ElementsAre("a", "b cde f"));
  EXPECT_THAT(command_words("a '' \"\"").value(), ElementsAre("a", "", ""));
}

TEST(CommandWords, ABackslashTakesTheNextCharacterAsItIs) {
  EXPECT_THAT(command_words(R"(a\ b \'c \\)").value(), ElementsAre("a b", "'c", "\\"));
  EXPECT_THAT(command_words(R"("\" \\ \$ \n")").value(), ElementsAre(R"(" \ $ \n)"));
  EXPECT_THAT(command_words(R"('\')").value(), ElementsAre("\\"));
}

TEST(CommandWords, NothingIsExpanded) {
  EXPECT_THAT(command_words("echo $HOME * `id` ~ # > f").value(),
              ElementsAre("echo", "$HOME", "*", "`id`", "~", "#", ">", "f"));
}

TEST(CommandWords, WhatHasNoEndOrNoWordIsRefused) {
  for (const auto line : std::initializer_list<std::string_view>{"", "  ", "a 'b", "a \"b", "a \\", {"a\0b", 3}})
    EXPECT_EQ(command_words(line).error().code, Code::bad_config) << line;
}

}  // namespace
}  // namespace propeller::launch
