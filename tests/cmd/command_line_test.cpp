#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/variables.hpp"
#include "program.hpp"
#include "support/subprocess.hpp"

namespace propeller::cmd {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST(CommandLine, VersionPrintsNameAndNumber) {
  for (const char* spelling : {"version", "--version"}) {
    const auto outcome = run_program({spelling});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, testing::MatchesRegex("propeller-proxy [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  }
}

TEST(CommandLine, HelpShowsTheCommandsExamplesAndExitCodes) {
  for (const char* spelling : {"--help", "-h", "help"}) {
    const auto outcome = run_program({spelling});
    EXPECT_EQ(outcome.exit_code, 0);
    for (const char* part : {"Usage: propeller-proxy", "run ", "check ", "fetch ", "healthcheck ", "trust ", "env ",
                             "exec ", "init ", "cache ", "import-cache ", "version ", "Examples:", "Exit codes:"}) {
      EXPECT_THAT(outcome.out, HasSubstr(part));
    }
  }
}

TEST(CommandLine, EachCommandHasAHelpToWorkFrom) {
  for (const char* command : {"run", "check", "fetch", "healthcheck", "trust", "init-certs", "env", "exec", "init",
                              "cache", "import-cache", "version"}) {
    const auto outcome = run_program({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.out, StartsWith(std::string("Usage: propeller-proxy ") + command));
    EXPECT_THAT(outcome.out, HasSubstr("Examples:\n"));
    EXPECT_THAT(outcome.out, HasSubstr("Exit codes:\n"));
    EXPECT_THAT(outcome.err, IsEmpty());
  }
}

TEST(CommandLine, RunHelpListsEveryVariableAndItsFlag) {
  const auto help = run_program({"run", "--help"}).out;
  for (const auto& variable : config::variables()) {
    for (const auto name : variable.names()) {
      EXPECT_THAT(help, HasSubstr(std::string(name)));
      if (!variable.is_secret) EXPECT_THAT(help, HasSubstr(config::flag_of(name)));
    }
  }
}

TEST(CommandLine, AMistypedCommandIsAUsageErrorWithASuggestion) {
  const auto outcome = run_program({"chekc"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("unknown command \"chekc\"; did you mean check?"));
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST(CommandLine, AMistypedFlagIsAUsageErrorWithASuggestion) {
  const auto outcome = run_program({"run", "--chunksize=7"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean --chunk-size?"));
  EXPECT_THAT(outcome.err, HasSubstr("propeller-proxy run --help"));
}

TEST(CommandLine, AFlagMayNotBeShortenedToWhatAnotherMayBecome) {
  EXPECT_EQ(run_program({"check", "--mqtt-add=tcp://x"}, complete()).exit_code, 2);
}

TEST(CommandLine, SecretsHaveNoFlagsAndAreNotRepeated) {
  for (const auto& arguments :
       {std::vector<std::string>{"--proplet-key=hunter2"}, {"--registry-password", "hunter2"}}) {
    const auto outcome = run_program(arguments, complete());
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("PROXY_"));
    EXPECT_THAT(outcome.err, Not(HasSubstr("hunter2")));
  }
}

TEST(CommandLine, AFullStandardOutputIsAFailureAndNoCrash) {
  support::Subprocess process({.arguments = {"sh", "-c", "exec \"$0\" version >/dev/full", PROPELLER_PROXY_PROGRAM}});
  EXPECT_EQ(process.wait_exit(), 1);
}

TEST(CommandLine, AFlagWithoutItsValueAndALooseWordAreUsageErrors) {
  EXPECT_EQ(run_program({"check", "--mqtt-qos"}, complete()).exit_code, 2);
  const auto outcome = run_program({"check", "word"}, complete());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("unexpected argument \"word\""));
}

}  // namespace
}  // namespace propeller::cmd
