#include "observe/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

namespace propeller::observe {
namespace {

std::string captured(const LogOptions& options, const std::function<void()>& write) {
  testing::internal::CaptureStderr();
  start_log(options);
  write();
  flush_log();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesTimeLevelMessageAndFieldsAsText) {
  const auto out = captured({}, [] { log_info("transfer done", {kv("transfer", "ab12"), kv("bytes", 600)}); });
  const std::regex expected(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO transfer done transfer=ab12 bytes=600\n)");
  EXPECT_TRUE(std::regex_match(out, expected)) << out;
}

TEST(Log, WritesJsonThatAParserTakes) {
  const auto out = captured({.level = "info", .format = LogFormat::json},
                            [] { log_warn("request refused", {kv("app_name", "a\"\n\x01{}"), kv("n", 2)}); });
  ASSERT_EQ(std::count(out.begin(), out.end(), '\n'), 1) << out;
  const auto line = nlohmann::json::parse(out);
  EXPECT_EQ(line["level"], "WARN");
  EXPECT_EQ(line["message"], "request refused");
  EXPECT_EQ(line["app_name"], "a\"\n\x01{}");
  EXPECT_EQ(line["n"], "2");
  EXPECT_TRUE(line["time"].is_string());
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  const auto out = captured({.level = "warn", .format = LogFormat::text}, [] {
    EXPECT_FALSE(is_enabled(Level::info));
    EXPECT_TRUE(is_enabled(Level::error));
    log_info("not this");
    log_warn("but this");
  });
  EXPECT_THAT(out, testing::HasSubstr("WARN but this"));
  EXPECT_THAT(out, testing::Not(testing::HasSubstr("not this")));
}

TEST(Log, KeepsALineOfMegabytesWithinItsLimit) {
  const std::string huge(5'000'000, 'x');
  const auto out = captured({}, [&] {
    log_info("big", {kv("a", huge), kv("b", huge), kv("c", huge), kv("d", huge), kv("e", huge), kv("last", 1)});
  });
  EXPECT_LT(out.size(), kLogLineBytesMax + 100);
  EXPECT_THAT(out, testing::HasSubstr(" last=1"));
}

// Nobody reads our standard error: writers must go on, and what was lost is counted.
TEST(Log, DropsAndCountsInsteadOfWaitingWhenStandardErrorIsBlocked) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const int saved = dup(STDERR_FILENO);
  dup2(pipe_ends[1], STDERR_FILENO);
  start_log({});
  const std::string value(1000, 'v');
  for (int i = 0; i < 3000; ++i) log_info("line", {kv("value", value)});
  const auto dropped = dropped_lines();
  const int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDERR_FILENO);
  close(nowhere);
  close(pipe_ends[1]);
  close(pipe_ends[0]);  // the blocked writer gets EPIPE and goes on
  flush_log();
  dup2(saved, STDERR_FILENO);
  close(saved);
  EXPECT_GT(dropped, 1000u);
}

}  // namespace
}  // namespace propeller::observe

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
