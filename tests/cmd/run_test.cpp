#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"
#include "support/environment.hpp"
#include "support/mosquitto.hpp"
#include "support/subprocess.hpp"

namespace propeller::cmd {
namespace {

using support::wait_until;
using testing::HasSubstr;
using testing::Not;

class Run : public testing::Test {
 protected:
  Environment environment(const Environment& more = {}) const {
    Environment all = more;
    all.merge(Environment{{"PROXY_HTTP_PORT", std::to_string(port_)},
                          {"PROXY_SPOOL_DIR", (files_ / "spool").string()},
                          {"PROXY_MQTT_ADDRESS", "tcp://127.0.0.1:" + std::to_string(support::free_port())}});
    return complete(all);
  }
  [[nodiscard]] Outcome healthcheck(std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), "healthcheck");
    return run_program(flags, {{"PROXY_HTTP_PORT", std::to_string(port_)}});
  }
  support::SubprocessOptions service(const Environment& more = {}) const {
    return {.arguments = {PROPELLER_PROXY_PROGRAM}, .environment = environment(more)};
  }

  const support::TempDir files_;
  const std::uint16_t port_ = support::free_port();
};

TEST_F(Run, WithoutIdsIsAConfigurationError) {
  const auto outcome = run_program({}, {{"HOME", "/nonexistent"}, {"PROXY_MQTT_ADDRESS", "tcp://127.0.0.1:1"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("PROXY_PROPLET_ID"));
  EXPECT_THAT(outcome.err, HasSubstr("propeller-proxy check"));
}

TEST_F(Run, ConnectsIsHealthyAndEndsCleanlyOnSigterm) {
  support::Mosquitto broker;
  support::Subprocess bridge(service({{"PROXY_MQTT_ADDRESS", broker.address()}}));
  EXPECT_TRUE(wait_until([&] { return healthcheck().exit_code == 0; })) << bridge.output();
  EXPECT_EQ(healthcheck({"--ready"}).exit_code, 0);
  bridge.signal(SIGTERM);
  EXPECT_EQ(bridge.wait_exit(), 0) << bridge.output();
  EXPECT_THAT(bridge.output(), Not(HasSubstr("hunter2")));
}

TEST_F(Run, IsUnhealthyWithAReasonWithoutABrokerAndStillEndsOnSigint) {
  support::Subprocess bridge(service());
  EXPECT_TRUE(wait_until([&] { return healthcheck().err.find("status 503") != std::string::npos; })) << bridge.output();
  EXPECT_EQ(healthcheck().exit_code, 1);
  EXPECT_THAT(healthcheck().err, HasSubstr("broker"));
  bridge.signal(SIGINT);
  EXPECT_EQ(bridge.wait_exit(), 0) << bridge.output();
}

TEST_F(Run, ATakenHealthPortIsExitCodeOne) {
  support::Subprocess first(service());
  ASSERT_TRUE(first.wait_line("starting")) << first.output();
  const auto outcome = run_program({}, environment({{"PROXY_SPOOL_DIR", (files_ / "other").string()}}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("PROXY_HTTP_PORT"));
  EXPECT_THAT(outcome.err, HasSubstr("in use"));
}

TEST_F(Run, ASpoolThatCannotBeOpenedIsExitCodeOne) {
  support::write_file(files_ / "file", "");
  const auto outcome = run_program({}, environment({{"PROXY_SPOOL_DIR", (files_ / "file").string()}}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("cannot start"));
}

TEST_F(Run, WritesItsWarningsAndEveryLineAsJsonWhenAsked) {
  const auto outcome =
      run_program({"--log-format", "json", "--spool-size", "1MiB"}, environment({{"PROXY_SPOOL_DIR", "/dev/null/no"}}));
  EXPECT_EQ(outcome.exit_code, 1);
  std::istringstream lines(outcome.err);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  EXPECT_GT(count, 1);
  EXPECT_THAT(outcome.err, HasSubstr("PROXY_MAX_IMAGE_SIZE"));
}

TEST_F(Run, LogLevelErrorIsSilentInOrdinaryTimes) {
  support::Subprocess bridge(service({{"LOG_LEVEL", "error"}}));
  EXPECT_TRUE(wait_until([&] { return healthcheck().err.find("status 503") != std::string::npos; }));
  bridge.signal(SIGTERM);
  EXPECT_EQ(bridge.wait_exit(), 0);
  bridge.wait_output_end();
  EXPECT_EQ(bridge.output(), "");
}

TEST_F(Run, AnIdleBridgeStaysUnderSixteenMegabytes) {
  if (support::kIsSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  support::Mosquitto broker;
  support::Subprocess bridge(service({{"PROXY_MQTT_ADDRESS", broker.address()}}));
  ASSERT_TRUE(wait_until([&] { return healthcheck().exit_code == 0; })) << bridge.output();
  EXPECT_TRUE(wait_until([&] { return bridge.memory_bytes() < 16'000'000; })) << bridge.memory_bytes();
}

TEST_F(Run, HealthcheckIsOneWithoutABridgeAndWhileTheDrainFileExists) {
  EXPECT_EQ(healthcheck().exit_code, 1);
  support::Mosquitto broker;
  support::Subprocess bridge(service({{"PROXY_MQTT_ADDRESS", broker.address()}}));
  const auto drain_file = (files_ / "drain").string();
  ASSERT_TRUE(wait_until([&] { return healthcheck({"--drain-file", drain_file}).exit_code == 0; })) << bridge.output();
  support::write_file(drain_file, "");
  const auto outcome = healthcheck({"--drain-file", drain_file});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("drain file"));
}

TEST_F(Run, HealthcheckRefusesWhatIsNoPortAddressOrDuration) {
  EXPECT_EQ(run_program({"healthcheck", "--http-port", "0"}).exit_code, 2);
  EXPECT_EQ(run_program({"healthcheck", "--http-address", "nowhere"}).exit_code, 2);
  EXPECT_EQ(run_program({"healthcheck", "--timeout", "0"}).exit_code, 2);
}

}  // namespace
}  // namespace propeller::cmd
