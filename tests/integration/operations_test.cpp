// What its operator sees: health, readiness, metrics, logs, sub-commands.
#include <csignal>
#include <filesystem>
#include <sstream>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"
#include "support/metrics_table.hpp"

namespace propeller::integration {
namespace {

using nlohmann::json;

class Operations : public Site {};

TEST_F(Operations, ReadyFollowsTheRegistry) {
  const std::string name = push("m", wasm_module(600));
  start_bridge();
  EXPECT_EQ(bridge->get("/ready").status, 200) << "the registry has not been asked";
  registry.stop();
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  EXPECT_EQ(failure_code(watch, name), "registry_unavailable");
  EXPECT_EQ(bridge->get("/ready").status, 503);
  EXPECT_EQ(bridge->get("/health").status, 200);
  registry.start();
  watch.clear();
  watch.request(name);
  ASSERT_TRUE(watch.wait_status(name, "done"));
  EXPECT_EQ(bridge->get("/ready").status, 200);
}

TEST_F(Operations, MetricsCountWhatHappened) {
  const std::string module = wasm_module(1'200'000);
  const std::string name = push("m", module);
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_status(name, "done"));
  watch.request(named("acme/nothing"));
  ASSERT_EQ(failure_code(watch, named("acme/nothing")), "not_found");
  EXPECT_EQ(bridge->metric("propeller_bridge_requests_total"), 2);
  EXPECT_EQ(bridge->metric("propeller_bridge_transfers_done_total"), 1);
  EXPECT_EQ(bridge->metric("propeller_bridge_chunks_sent_total"), 3);
  EXPECT_EQ(bridge->metric("propeller_bridge_sent_bytes_total"), static_cast<double>(module.size()));
  EXPECT_EQ(bridge->metric("propeller_bridge_downloaded_bytes_total"), static_cast<double>(module.size()));
  EXPECT_EQ(bridge->metric("propeller_bridge_transfers_failed_total"), 1);
  const auto response = bridge->get("/metrics");
  EXPECT_NE(response.body.find("code=\"not_found\""), std::string::npos);
  EXPECT_TRUE(response.headers.at("content-type").starts_with("text/plain"));
}

TEST_F(Operations, OtherPathsAreNotFound) {
  start_bridge();
  EXPECT_EQ(bridge->get("/").status, 404);
  EXPECT_EQ(bridge->get("/../etc/passwd").status, 404);
}

TEST_F(Operations, HealthcheckAsksTheOwnPortAndHonoursTheDrainFile) {
  start_bridge();
  const Environment port{{"PROXY_HTTP_PORT", std::to_string(bridge->http_port())}};
  EXPECT_EQ(run_program({"healthcheck"}, port).exit_code, 0);
  const auto drain = spool / "drain";
  EXPECT_EQ(run_program({"healthcheck", "--drain-file", drain.string()}, port).exit_code, 0);
  support::write_file(drain, "");
  EXPECT_EQ(run_program({"healthcheck", "--drain-file", drain.string()}, port).exit_code, 1);
  broker.stop();
  ASSERT_TRUE(wait_until([&] { return bridge->get("/health").status == 503; }));
  EXPECT_EQ(run_program({"healthcheck"}, port).exit_code, 1);
}

TEST_F(Operations, JsonLogsAreJsonAndEveryLineOfATransferHasItsId) {
  const std::string name = push("m", wasm_module(600'000));
  start_bridge({{"LOG_FORMAT", "json"}, {"PROXY_LOG_LEVEL", "info"}});
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  const auto done = watch.wait_status(name, "done");
  ASSERT_TRUE(done);
  const std::string id = (*done)["transfer"];
  ASSERT_TRUE(wait_until([&] { return bridge->process().output().find("seconds") != std::string::npos; }))
      << "a summary at the end";
  std::istringstream lines(bridge->process().output());
  std::size_t of_transfer = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto value = json::parse(line, nullptr, false);
    ASSERT_TRUE(value.is_object()) << line;
    if (value.dump().find(name) != std::string::npos) EXPECT_EQ(value.value("transfer", ""), id) << line;
    if (value.value("transfer", "") == id) ++of_transfer;
  }
  EXPECT_GE(of_transfer, 3U);
}

TEST_F(Operations, TheSummaryLineHasBytesSecondsRateAndRetries) {
  const std::string name = push("m", wasm_module(600'000));
  start_bridge({{"PROXY_LOG_LEVEL", "info"}});
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_status(name, "done"));
  const auto line = bridge->process().wait_line("seconds=");
  ASSERT_TRUE(line);
  for (const char* key : {"bytes=600000", "seconds=", "rate", "retries", "transfer="})
    EXPECT_NE(line->find(key), std::string::npos) << *line;
}

TEST_F(Operations, SigtermWhileAnImageIsFetchedTellsTheDeviceAndEndsCleanly) {
  support::FakeRegistry fake;
  fake.push_module("acme/m", "latest", wasm_module(600'000));
  fake.inject("/manifests/", {.kind = support::FaultKind::hang});
  start_bridge({{"PROXY_REGISTRY_URL", fake.url()}});
  ChannelWatch watch(device_options(), topics);
  watch.request(std::string("acme/m"));
  ASSERT_TRUE(watch.wait_status("acme/m", "fetching"));
  bridge->process().signal(SIGTERM);
  EXPECT_EQ(failure_code(watch, "acme/m"), "shutting_down");
  EXPECT_EQ(bridge->process().wait_exit(milliseconds(10'000)), 0)
      << "nothing was begun, so nothing has to be waited for";
}

TEST_F(Operations, SigtermWhileTheBrokerIsDownEndsCleanlyInTime) {
  const std::string name = push("m", wasm_module(2'000'000));
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "10000"}, {"SHUTDOWN_TIMEOUT", "2s"}}, milliseconds(20));
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 3));
  broker.stop();
  ASSERT_TRUE(wait_until([&] { return bridge->get("/health").status == 503; }));
  bridge->process().signal(SIGTERM);
  EXPECT_EQ(bridge->process().wait_exit(milliseconds(15'000)), 0);
}

// The table in docs/operations.md is what people build dashboards from.
TEST_F(Operations, EveryMetricIsInTheManualAndNoOther) {
  const std::string name = push("m", wasm_module(600));
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  watch.request(named("acme/nothing"));
  ASSERT_EQ(failure_code(watch, named("acme/nothing")), "not_found");
  const auto manual = std::filesystem::path(PROPELLER_SOURCE) / "docs/operations.md";
  auto served = support::served_metrics(bridge->get("/metrics").body);
  // Those of the store are in the table of the forward proxy, whose test compares them.
  std::erase_if(served, [](const std::string& line) { return line.contains("propeller_store_"); });
  EXPECT_EQ(served, support::documented_metrics(manual, {"propeller_forward_", "propeller_store_", "propeller_tier_"}));
}

TEST_F(Operations, CheckPrintsEveryProblemAndNoSecret) {
  const auto fine = run_program({"check"}, environment());
  EXPECT_EQ(fine.exit_code, 0) << fine.output;
  EXPECT_EQ(fine.output.find("bridge-secret"), std::string::npos);
  const auto broken = run_program(
      {"check"}, environment({{"PROXY_CHUNK_SIZE", "many"}, {"PROXY_MQTT_QOS", "7"}, {"PROXY_MQTT_ADRESS", "x"}}));
  EXPECT_EQ(broken.exit_code, 2);
  for (const char* text : {"PROXY_CHUNK_SIZE", "many", "PROXY_MQTT_QOS", "7", "PROXY_MQTT_ADDRESS"})
    EXPECT_NE(broken.output.find(text), std::string::npos) << text << " is missing in: " << broken.output;
}

TEST_F(Operations, RunRefusesABadConfigurationWithExitCode2) {
  EXPECT_EQ(run_program({"run"}, environment({{"PROXY_CHUNK_SIZE", "many"}})).exit_code, 2);
  const auto incomplete = run_program({"run"}, environment({{"PROXY_CHANNEL_ID", ""}, {"PROXY_PROPLET_KEY", ""}}));
  EXPECT_EQ(incomplete.exit_code, 2);
  EXPECT_NE(incomplete.output.find("PROXY_CHANNEL_ID"), std::string::npos) << incomplete.output;
  EXPECT_EQ(run_program({"--no-such-flag"}).exit_code, 2);
  EXPECT_EQ(run_program({"no-such-command"}).exit_code, 2);
}

TEST_F(Operations, RunIsTheDefaultAndAServiceThatCannotStartExits1) {
  const auto outcome =
      run_program({}, environment({{"PROXY_SPOOL_DIR", "/proc/no-such-place"}, {"PROXY_HTTP_PORT", "0"}}));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
}

TEST_F(Operations, VersionAndHelp) {
  EXPECT_EQ(run_program({"version"}).exit_code, 0);
  for (const char* command : {"run", "check", "fetch", "healthcheck", "version"})
    EXPECT_EQ(run_program({command, "--help"}).exit_code, 0) << command;
  EXPECT_NE(run_program({"--help"}).output.find("fetch"), std::string::npos);
}

}  // namespace
}  // namespace propeller::integration
