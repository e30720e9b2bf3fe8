// What a sanitizer finds in a program under test has to fail the test: shown with a program that has one fault.
#include "support/sanitizer.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string_view>

namespace propeller::support {
namespace {

constexpr std::string_view kSanitizer = PROPELLER_SANITIZE;

std::optional<std::string> finding_of(const std::string& fault) {
  Subprocess program({.arguments = {FAULTY_PROGRAM, fault}});
  (void)program.wait_line("ready");
  return end_and_judge(program);
}

TEST(Sanitizer, AProgramWithoutFaultIsClean) { EXPECT_EQ(finding_of("none"), std::nullopt); }

TEST(Sanitizer, ARaceIsAFinding) {
  if (kSanitizer != "thread") GTEST_SKIP() << "needs the preset tsan";
  EXPECT_NE(finding_of("race").value_or("").find("data race"), std::string::npos);
}

TEST(Sanitizer, ALeakIsAFindingAtTheEnd) {
  if (kSanitizer != "address") GTEST_SKIP() << "needs the preset asan";
  EXPECT_NE(finding_of("leak").value_or("").find("LeakSanitizer"), std::string::npos);
}

TEST(Sanitizer, AnOverflowIsAFinding) {
  if (kSanitizer != "address") GTEST_SKIP() << "needs the preset asan";
  EXPECT_NE(finding_of("overflow").value_or("").find("runtime error"), std::string::npos);
}

TEST(Sanitizer, AnotherExitCodeThanZeroIsAFinding) {
  Subprocess shell({.arguments = {"sh", "-c", "trap 'exit 66' TERM; echo ready; while :; do sleep 0.05; done"}});
  ASSERT_TRUE(shell.wait_line("ready"));
  EXPECT_EQ(end_and_judge(shell), "it ends with exit code 66");
}

TEST(Sanitizer, WhoDoesNotEndIsAFindingAndIsKilled) {
  Subprocess shell({.arguments = {"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"}});
  ASSERT_TRUE(shell.wait_line("ready"));
  EXPECT_EQ(end_and_judge(shell, milliseconds(200)), "it does not end within 200 ms of SIGTERM");
  EXPECT_FALSE(shell.is_running());
}

}  // namespace
}  // namespace propeller::support
