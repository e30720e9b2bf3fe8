// `propeller-proxy fetch`, the command-line device, against a real bridge.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "integration/site.hpp"

namespace propeller::integration {
namespace {

class Fetch : public Site {
 protected:
  std::vector<std::string> arguments(const std::string& name, std::vector<std::string> more = {}) const {
    std::vector<std::string> result{"fetch", "--broker", broker.address(), "--tenant", "t1", "--channel", "c1",
                                    name,    "-o",       output.string()};
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  Outcome fetch(const std::string& name, const std::vector<std::string>& more = {}) const {
    return run_program(arguments(name, more));
  }

  std::filesystem::path output = spool / "module.wasm";
};

TEST_F(Fetch, WritesTheModuleInEveryWayOfDelivery) {
  const std::string module = wasm_module(1'300'000);
  const std::string name = push("m", module);
  start_bridge();
  for (const std::vector<std::string>& way : {std::vector<std::string>{},
                                              {"--direct"},
                                              {"--direct", "--raw"},
                                              {"--direct", "--raw", "--compression", "zstd"}}) {
    std::filesystem::remove(output);
    const auto outcome = fetch(name, way);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    EXPECT_TRUE(support::read_file(output) == module);
    EXPECT_NE(outcome.output.find(support::sha256_digest(module)), std::string::npos) << outcome.output;
    EXPECT_EQ(outcome.output.find('\r'), std::string::npos) << "no progress bar without a terminal";
  }
}

TEST_F(Fetch, ExitsWithAClearMessageForAFailureAndLeavesNoFile) {
  start_bridge();
  for (const auto& [name, code] : {std::pair<std::string, std::string>{named("acme/nothing"), "not_found"},
                                   {"acme/UPPER", "bad_reference"},
                                   {"10.0.0.1/acme/m", "not_allowed"}}) {
    const auto outcome = fetch(name);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.output.find(code), std::string::npos) << outcome.output;
    EXPECT_FALSE(std::filesystem::exists(output));
  }
}

TEST_F(Fetch, ResumesAfterABreak) {
  const std::string module = wasm_module(1'000'000);
  const std::string name = push("m", module);
  constexpr std::size_t kTotal = 100;
  start_bridge();
  // The first request makes the image known, so that its digest is in the manifest.
  ASSERT_EQ(fetch(name, {"--direct"}).exit_code, 0);
  std::filesystem::remove(output);
  ChannelWatch watch(device_options(), topics);
  const auto is_chunk = [&](const ChannelWatch::Event& event) {
    return event.topic.starts_with(topics.chunks() + "/") && !event.topic.ends_with("/manifest");
  };
  support::DelayRelay far({.target_port = broker.port(), .one_way = milliseconds(10)});
  auto first_try = arguments(name, {"--direct", "--raw", "--window", "1", "--chunk-size", "10000", "--resume"});
  first_try[2] = "tcp://127.0.0.1:" + std::to_string(far.port());
  first_try.insert(first_try.begin(), PROPELLER_PROXY_PROGRAM);
  {
    support::Subprocess device({.arguments = first_try, .environment = {{"HOME", "/nonexistent"}}});
    ASSERT_TRUE(wait_until([&] { return watch.count(is_chunk) >= 30; })) << device.output();
    device.signal(SIGKILL);
    ASSERT_TRUE(device.wait_exit());
  }
  EXPECT_FALSE(std::filesystem::exists(output)) << "a part is not the file";
  watch.clear();
  const auto outcome = fetch(name, {"--direct", "--raw", "--chunk-size", "10000", "--resume"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_TRUE(support::read_file(output) == module);
  EXPECT_LT(watch.count(is_chunk), kTotal - 5) << "only the rest is sent";
}

TEST_F(Fetch, ShowsAProgressBarOnATerminal) {
  const std::string module = wasm_module(3'000'000);
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "50000"}});
  std::string command = PROPELLER_PROXY_PROGRAM;
  for (const auto& argument : arguments(name)) command += " '" + argument + "'";
  support::Subprocess terminal({.arguments = {"script", "-qec", command, "/dev/null"},
                                .environment = {{"HOME", "/nonexistent"}, {"TERM", "xterm"}}});
  ASSERT_EQ(terminal.wait_exit(), 0) << terminal.output();
  terminal.wait_output_end();
  EXPECT_NE(terminal.output().find("\r"), std::string::npos);
  EXPECT_NE(terminal.output().find('%'), std::string::npos) << terminal.output();
  EXPECT_TRUE(support::read_file(output) == module);
}

TEST_F(Fetch, GoesOnAfterTheBrokerWasRestartedInTheMiddle) {
  const std::string module = wasm_module(1'000'000);
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "10000"}});
  ChannelWatch watch(device_options(), topics);
  auto command = arguments(name);
  command.insert(command.begin(), PROPELLER_PROXY_PROGRAM);
  support::Subprocess device({.arguments = command, .environment = {{"HOME", "/nonexistent"}}});
  ASSERT_TRUE(watch.wait_chunk(name, 30)) << device.output();
  broker.restart();
  EXPECT_EQ(device.wait_exit(milliseconds(90'000)), 0) << device.output();
  EXPECT_TRUE(support::read_file(output) == module);
}

// A bridge of the test's own fails in every way there is.
TEST_F(Fetch, EveryCodeIsPrintedWithWhatToDo) {
  std::atomic<const char*> code = "";
  support::MqttClient* answering = nullptr;
  support::MqttClient fake_bridge({.port = broker.port(), .on_message = [&](const support::MqttMessage& message) {
                                     auto status = nlohmann::json::parse(message.payload);
                                     answering->publish_later(topics.status(),
                                                              nlohmann::json{{"app_name", status["app_name"]},
                                                                             {"proplet_id", status["proplet_id"]},
                                                                             {"transfer", ""},
                                                                             {"state", "failed"},
                                                                             {"code", code.load()},
                                                                             {"message", "as the test wants it"}}
                                                                  .dump());
                                   }});
  answering = &fake_bridge;
  fake_bridge.subscribe(topics.request());
  for (const char* each : {"bad_request", "bad_reference", "not_allowed", "unauthorized", "not_found", "no_module",
                           "ambiguous_module", "encrypted", "too_large", "digest_mismatch", "signature_invalid",
                           "registry_unavailable", "timeout", "broker_rejected", "overloaded", "shutting_down"}) {
    code = each;
    const auto outcome = fetch("acme/m", {"--timeout", "2s"});
    EXPECT_EQ(outcome.exit_code, 1) << each;
    EXPECT_NE(outcome.output.find(std::string(each) + ": as the test wants it"), std::string::npos)
        << each << outcome.output;
    EXPECT_GE(std::ranges::count(outcome.output, '\n'), 2) << "and advice: " << outcome.output;
    EXPECT_FALSE(std::filesystem::exists(output));
  }
}

TEST_F(Fetch, BadUsageIsExitCode2) {
  EXPECT_EQ(run_program({"fetch"}).exit_code, 2);
  EXPECT_EQ(run_program({"fetch", "acme/m"}).exit_code, 2);
  EXPECT_EQ(fetch("acme/m", {"--no-such-flag"}).exit_code, 2);
}

TEST_F(Fetch, ABrokerThatIsNotThereIsAFailureAndNotForEver) {
  broker.stop();
  const auto outcome = fetch("acme/m", {"--timeout", "2s"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
}

}  // namespace
}  // namespace propeller::integration
