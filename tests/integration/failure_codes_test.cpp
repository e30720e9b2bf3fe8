// PROTOCOL 2.1: status messages, and a `failed` with the right code for everything that goes wrong. The codes that need
// a misbehaving registry are in registry_faults_test.cpp, those of layers in registry_shapes_test.cpp.
#include <signal.h>

#include <algorithm>
#include <thread>

#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

using nlohmann::json;

class FailureCodes : public Site {
 protected:
  /// Asks, and returns the code of the failure.
  std::string code_for(const std::string& name) {
    watch = std::make_unique<ChannelWatch>(device_options(), topics);
    watch->request(name);
    return failure_code(*watch, name);
  }
  std::unique_ptr<ChannelWatch> watch;
};

TEST_F(FailureCodes, StatusTellsTheStoryOfATransfer) {
  const std::string module = wasm_module(600'000);
  const std::string name = push("m", module);
  start_bridge();
  ChannelWatch listener(device_options(), topics);
  listener.request(json{{"app_name", name}, {"proplet_id", "dev1"}});
  const auto done = listener.wait_status(name, "done");
  ASSERT_TRUE(done);
  EXPECT_EQ((*done)["digest"], support::sha256_digest(module));
  EXPECT_EQ((*done)["size"], module.size());
  EXPECT_EQ((*done)["total_chunks"], 2);
  EXPECT_EQ((*done)["sent"], 2);
  EXPECT_EQ((*done)["proplet_id"], "dev1");
  EXPECT_TRUE((*done)["source"].get<std::string>().starts_with("sha256:"));
  std::vector<std::string> states;
  for (const auto& event : listener.events()) {
    if (!event.status.is_object()) continue;
    EXPECT_EQ(event.qos, 1);
    EXPECT_FALSE(event.is_retained);
    EXPECT_EQ(event.status["transfer"], (*done)["transfer"]);
    if (states.empty() || states.back() != event.status.value("state", "")) states.push_back(event.status["state"]);
  }
  EXPECT_EQ(states, (std::vector<std::string>{"accepted", "fetching", "sending", "done"}));
}

TEST_F(FailureCodes, ProgressComesAtMostOnceASecond) {
  const std::string name = push("m", wasm_module(1'000'000));
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "8000"}});
  ChannelWatch listener(device_options(), topics);
  const auto begin = std::chrono::steady_clock::now();
  listener.request(name);
  ASSERT_TRUE(listener.wait_status(name, "done"));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
  const auto sending =
      listener.count([](const auto& event) { return event.status.is_object() && event.status["state"] == "sending"; });
  EXPECT_GE(sending, 2U) << "one at the start, one for each second";
  EXPECT_LE(sending, static_cast<std::size_t>(seconds) + 2);
}

TEST_F(FailureCodes, BadReference) {
  start_bridge();
  for (const char* name :
       {"127.0.0.1:5000/UPPER/Case", "acme/add@sha256:123", "acme//add", "acme/a b", "acme/add:bad:tag"})
    EXPECT_EQ(code_for(name), "bad_reference") << name;
}

TEST_F(FailureCodes, PrivateAddressesThatAreNotConfiguredAreNotAllowed) {
  support::DockerRegistry other;
  start_bridge();
  for (const std::string& name :
       {"http://" + other.host() + "/acme/add", "http://localhost:" + std::to_string(other.port()) + "/acme/add",
        std::string("169.254.169.254/latest/meta-data"), std::string("10.0.0.1/acme/add"),
        std::string("192.168.1.1:5000/acme/add"), "http://127.1:" + std::to_string(other.port()) + "/acme/add",
        std::string("0.0.0.0/acme/add")})
    EXPECT_EQ(code_for(name), "not_allowed") << name;
  EXPECT_EQ(other.requests("GET", "/v2/"), 0U);
}

TEST_F(FailureCodes, AnAllowListAlsoLimitsPublicHosts) {
  start_bridge({{"PROXY_REGISTRY_ALLOW", "registry.example.org,*.example.com"}});
  EXPECT_EQ(code_for("ghcr.io/acme/add"), "not_allowed");
  const std::string name = push("m", wasm_module(600));
  ChannelWatch listener(device_options(), topics);
  listener.request(name);
  EXPECT_TRUE(listener.wait_status(name, "done")) << "the configured registry is always allowed";
}

// The only way to have one private registry and the public ones too.
TEST_F(FailureCodes, AStarOnTheListKeepsPublicHosts) {
  start_bridge({{"PROXY_REGISTRY_ALLOW", "registry.corp.example,*"}, {"PROXY_REGISTRY_ATTEMPTS", "1"}});
  ChannelWatch listener(device_options(), topics);
  listener.request(std::string("ghcr.invalid/acme/m"));
  EXPECT_EQ(failure_code(listener, "ghcr.invalid/acme/m"), "registry_unavailable") << "it is asked for";
  listener.request(std::string("10.1.2.3/acme/m"));
  EXPECT_EQ(failure_code(listener, "10.1.2.3/acme/m"), "not_allowed");
}

TEST_F(FailureCodes, NamesOfTheSiteAreNotAskedThroughAProxy) {
  start_bridge({{"PROXY_REGISTRY_PROXY", "http://127.0.0.1:" + std::to_string(support::free_port())},
                {"PROXY_REGISTRY_ATTEMPTS", "1"}});
  ChannelWatch listener(device_options(), topics);
  for (const std::string name : {"vault.internal/acme/m", "registry:5000/acme/m", "10.1.2.3/acme/m"}) {
    listener.request(name);
    EXPECT_EQ(failure_code(listener, name), "not_allowed") << name;
  }
  listener.request(std::string("ghcr.io/acme/m"));
  EXPECT_EQ(failure_code(listener, "ghcr.io/acme/m"), "registry_unavailable") << "the proxy is asked";
}

TEST_F(FailureCodes, NotFoundForRepositoryTagAndDigest) {
  push("m", wasm_module(600));
  start_bridge();
  EXPECT_EQ(code_for(named("acme/nothing")), "not_found");
  EXPECT_EQ(code_for(named("acme/m:v9")), "not_found");
  EXPECT_EQ(code_for(named("acme/m@sha256:" + std::string(64, '0'))), "not_found");
}

TEST_F(FailureCodes, TooLargeBeforeAByteIsFetched) {
  const std::string name = push("m", wasm_module(30'000));
  start_bridge({{"PROXY_MAX_IMAGE_SIZE", "20000"}});
  EXPECT_EQ(code_for(name), "too_large");
  EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 0U);
}

TEST_F(FailureCodes, AnArchiveThatUnpacksToMoreIsTooLarge) {
  std::string bomb = wasm_module(16) + std::string("\0\x87\xad\x4b\0", 5) + std::string(1'234'566, 'a');
  push_image(pusher, "acme/bomb", "latest",
             support::docker_image({{"plugin.wasm", bomb}}, support::Packing::gzip, false));
  start_bridge({{"PROXY_MAX_IMAGE_SIZE", "100000"}});
  EXPECT_EQ(code_for(named("acme/bomb")), "too_large");
}

TEST_F(FailureCodes, RegistryUnavailableWhenNobodyListens) {
  const std::string name = push("m", wasm_module(600));
  registry.stop();
  start_bridge();
  EXPECT_EQ(code_for(name), "registry_unavailable");
}

TEST_F(FailureCodes, OverloadedWhenTooManyWait) {
  const std::string name = push("m", wasm_module(600));
  support::DelayRelay stalled({.target_port = registry.port()});
  stalled.stall();
  start_bridge(
      {{"PROXY_REGISTRY_URL", "http://127.0.0.1:" + std::to_string(stalled.port())}, {"PROXY_MAX_TRANSFERS", "2"}});
  ChannelWatch listener(device_options(), topics);
  for (const char* waiting : {"acme/one", "acme/two"}) {
    listener.request(std::string(waiting));
    ASSERT_TRUE(listener.wait_status(waiting, "accepted"));
  }
  EXPECT_EQ(code_for("acme/three"), "overloaded");
  stalled.resume();
  EXPECT_EQ(failure_code(listener, "acme/one"), "not_found");
  EXPECT_EQ(failure_code(listener, "acme/two"), "not_found");
  listener.request(std::string("acme/m"));
  EXPECT_TRUE(listener.wait_status("acme/m", "done"));
}

TEST_F(FailureCodes, TimeoutWhenTheDeadlineOfARequestIsOver) {
  support::DelayRelay stalled({.target_port = registry.port()});
  stalled.stall();
  start_bridge({{"PROXY_REGISTRY_URL", "http://127.0.0.1:" + std::to_string(stalled.port())}});
  ChannelWatch listener(device_options(), topics);
  listener.request(json{{"app_name", "acme/m"}, {"deadline_ms", 1'200}});
  EXPECT_EQ(failure_code(listener, "acme/m"), "timeout");
}

// MQTT 3.1.1 has no way to announce a limit: the broker just ends the connection, every time.
TEST_F(FailureCodes, BrokerRejectedWhenItNeverTakesAChunk) {
  support::Mosquitto strict({.packet_size_max = 100'000});
  const std::string name = push("m", wasm_module(600'000));
  start_bridge({{"PROXY_MQTT_ADDRESS", strict.address()}});
  ChannelWatch listener({.port = strict.port()}, topics);
  listener.request(name);
  EXPECT_EQ(failure_code(listener, name), "broker_rejected");
}

TEST_F(FailureCodes, ShuttingDownForWhatCannotBeginAnyMore) {
  const std::string name = push("m", wasm_module(600'000)), other = push("n", wasm_module(600));
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "10000"}});
  ChannelWatch listener(device_options(), topics);
  listener.request(name);
  ASSERT_TRUE(listener.wait_chunk(name, 3));
  bridge->process().signal(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return bridge->get("/ready").status != 200; }));
  listener.request(other);
  EXPECT_EQ(failure_code(listener, other), "shutting_down");
}

TEST_F(FailureCodes, OneDevicesDeadlineIsNotAnothers) {
  support::DelayRelay slow_registry({.target_port = registry.port()});
  slow_registry.stall();
  const std::string module = wasm_module(5'000);
  push("m", module);
  start_bridge({{"PROXY_REGISTRY_URL", "http://127.0.0.1:" + std::to_string(slow_registry.port())}});
  ChannelWatch watch(device_options(), topics);
  support::RustProplet patient(device_options(), topics);
  watch.request(nlohmann::json{{"app_name", "acme/m"}, {"proplet_id", "hasty"}, {"deadline_ms", 1'000}});
  ASSERT_TRUE(watch.wait_status("acme/m", "accepted"));
  patient.request("acme/m");
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_bridge_requests_total") == 2; }));
  std::this_thread::sleep_for(milliseconds(2'500));  // the deadline, and the tick that would notice it
  slow_registry.resume();
  EXPECT_TRUE(patient.wait_module("acme/m") == module);
}

TEST_F(FailureCodes, ABroadcastOfOtherBytesThanWereAskedForIsADigestMismatch) {
  const std::string module = wasm_module(5'000, 1);
  const std::string name = push("m", module);
  start_bridge();
  ChannelWatch watch(device_options(), topics);
  watch.request(nlohmann::json{{"app_name", name}, {"digest", support::sha256_digest(wasm_module(5'000, 2))}});
  EXPECT_EQ(failure_code(watch, name), "digest_mismatch");
  watch.clear();
  watch.request(nlohmann::json{{"app_name", name}, {"digest", support::sha256_digest(module)}});
  EXPECT_EQ(failure_code(watch, name), "done") << "and the name does not rest";
}

TEST_F(FailureCodes, ADownloadThatTakesLongIsReportedEverySecond) {
  support::FakeRegistry slow;
  slow.push_module("acme/m", "latest", wasm_module(40'000));
  slow.inject("/blobs/", {.kind = support::FaultKind::trickle, .bytes = 1'000, .pause = milliseconds(100)});
  start_bridge({{"PROXY_REGISTRY_URL", slow.url()}, {"PROXY_CHUNK_SIZE", "40000"}});
  ChannelWatch watch(device_options(), topics);
  watch.request(std::string("acme/m"));
  ASSERT_TRUE(watch.wait_status("acme/m", "done"));
  const auto events = watch.events();
  const auto fetching = std::ranges::count_if(events, [](const ChannelWatch::Event& event) {
    return event.status.is_object() && event.status.value("state", "") != "failed" &&
           event.status.value("state", "") != "done";
  });
  EXPECT_GE(fetching, 5) << "accepted, fetching, and one a second of four";
  EXPECT_TRUE(bridge->process().wait_line("progress", milliseconds(0)));
}

}  // namespace
}  // namespace propeller::integration
