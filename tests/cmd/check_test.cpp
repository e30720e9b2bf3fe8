#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/variables.hpp"
#include "program.hpp"
#include "support/environment.hpp"

namespace propeller::cmd {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Check, ACompleteConfigurationIsExitCodeZero) {
  const auto outcome = run_program({"check"}, complete());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("0 errors, 0 warnings"));
}

TEST(Check, PrintsEveryProblemAtOnceAndExitsTwo) {
  const auto outcome = run_program(
      {"check"},
      {{"HOME", "/nonexistent"}, {"PROXY_MQTT_QOS", "7"}, {"PROXY_CHUNK_SIZE", "huge"}, {"PROXY_CHUNKSIZE", "1"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("error: PROXY_MQTT_QOS=\"7\": allowed are 0, 1 and 2"));
  EXPECT_THAT(outcome.err, HasSubstr("error: PROXY_CHUNK_SIZE=\"huge\": allowed is"));
  EXPECT_THAT(outcome.err, HasSubstr("error: the set of ids is incomplete"));
  EXPECT_THAT(outcome.err, HasSubstr("warning: unknown variable PROXY_CHUNKSIZE; did you mean PROXY_CHUNK_SIZE?"));
  EXPECT_THAT(outcome.err, HasSubstr("3 errors, 1 warnings"));
}

TEST(Check, ShowsEveryVariableWithItsValueAndWhereItComesFrom) {
  const auto outcome =
      run_program({"check", "--max-transfers", "9", "--mqtt-qos=0", "--pass-through"},
                  complete({{"PROXY_MQTT_QOS", "2"}, {"PROXY_CHUNK_SIZE", "64KiB"}, {"LOG_LEVEL", "warn"}}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const auto& variable : config::variables())
    EXPECT_THAT(outcome.out, HasSubstr(std::string(variable.name) + " "));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_MAX_TRANSFERS +9  \\[--max-transfers\\]"));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_MQTT_QOS +0  \\[--mqtt-qos\\]"));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_PASS_THROUGH +true  \\[--pass-through\\]"));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_CHUNK_SIZE +65536  \\[environment\\]"));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_LOG_LEVEL +warn  \\[LOG_LEVEL\\]"));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_MQTT_ADDRESS +tcp://localhost:1883  \\[default\\]"));
}

TEST(Check, NeverShowsASecret) {
  const auto outcome = run_program({"check"}, complete({{"PROXY_AUTHENTICATE", "TRUE"},
                                                        {"PROXY_REGISTRY_USERNAME", "ann"},
                                                        {"PROXY_REGISTRY_PASSWORD", "hunter2"},
                                                        {"PROXY_REGISTRY_TOKEN", "hunter2"},
                                                        {"PROXY_REGISTRY_PROXY", "http://u:hunter2@proxy:3128"},
                                                        {"PROXY_MQTT_ADDRESS", "tcp://u:hunter2@broker"},
                                                        {"PROXY_PASSWORD", "hunter2"}}));
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("hunter2")));
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_REGISTRY_PASSWORD +\\(set\\)"));
  EXPECT_THAT(outcome.out, HasSubstr("http://***@proxy:3128"));
}

// The registry's own rules are judged before anything starts, not with the first request.
TEST(Check, RefusesMoreAllowedHostsThanThePolicyTakes) {
  std::string hosts = "r0.example";
  for (int i = 1; i < 300; ++i) hosts += ",r" + std::to_string(i) + ".example";
  const auto outcome = run_program({"check"}, complete({{"PROXY_REGISTRY_ALLOW", hosts}}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("at most 256 entries"));
  EXPECT_EQ(run_program({"check"}, complete({{"PROXY_REGISTRY_ALLOW", "10.0.0.0/8,*"}})).exit_code, 0);
}

TEST(Check, StrictMakesWarningsErrors) {
  const auto environment = complete({{"PROXY_SPOOL_SIZE", "1MiB"}});
  EXPECT_EQ(run_program({"check"}, environment).exit_code, 0);
  EXPECT_EQ(run_program({"check", "--strict"}, environment).exit_code, 2);
}

TEST(Check, TakesTheIdsFromConfigTomlInTheWorkingDirectory) {
  const support::TempDir directory;
  support::write_file(directory / "config.toml",
                      "[proxy]\nclient_id = \"from-file\"\nclient_key = \"k\"\nchannel_id = \"c\"\n");
  const auto outcome = run_program({"check"}, {{"HOME", "/nonexistent"}}, directory.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ContainsRegex("PROXY_PROPLET_ID +from-file  \\[config.toml\\]"));
}

}  // namespace
}  // namespace propeller::cmd
