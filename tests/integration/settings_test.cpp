// Wired: variables that no other file here proves to reach the bridge.
#include <algorithm>
#include <csignal>

#include "integration/site.hpp"
#include "support/base64.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

class SettingsReach : public Site {
 protected:
  void expect_delivered(const std::string& name, const std::string& expected) {
    support::RustProplet device(device_options(), topics);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name, kPatience) == expected);
  }
  const std::string module = wasm_module(70'000);
};

TEST_F(SettingsReach, RegistryToken) {
  support::FakeRegistry fake;
  fake.push_module("acme/m", "latest", module);
  start_bridge(
      {{"PROXY_REGISTRY_URL", fake.url()}, {"PROXY_AUTHENTICATE", "true"}, {"PROXY_REGISTRY_TOKEN", "st4tic-token"}});
  expect_delivered("acme/m", module);
  EXPECT_TRUE(std::ranges::any_of(fake.requests(), [](const auto& request) {
    return request.field("authorization") == "Bearer st4tic-token";
  })) << "it is sent";
  EXPECT_EQ(bridge->process().output().find("st4tic-token"), std::string::npos) << "and not logged";
}

TEST_F(SettingsReach, RegistryProxyAndNoneFromTheEnvironment) {
  const std::string name = push("m", module);
  const std::string closed = "http://127.0.0.1:" + std::to_string(support::free_port());
  start_bridge({{"http_proxy", closed}, {"HTTP_PROXY", closed}, {"ALL_PROXY", closed}});
  expect_delivered(name, module);
  const std::string other = push("other", module);  // of the first one the tag is remembered
  start_bridge({{"PROXY_REGISTRY_PROXY", closed}});
  ChannelWatch watch(device_options(), topics);
  watch.request(other);
  EXPECT_EQ(failure_code(watch, other), "registry_unavailable");
}

TEST_F(SettingsReach, ConfigFile) {
  const std::string name = push("m", module);
  support::write_file(spool / "elsewhere.toml",
                      "[proxy]\ntenant_id = \"t1\"\nchannel_id = \"c1\"\nentity_id = \"e\"\napi_key = \"k\"\n");
  start_bridge({{"PROXY_PROPLET_ID", ""},
                {"PROXY_PROPLET_KEY", ""},
                {"PROXY_DOMAIN_ID", ""},
                {"PROXY_CHANNEL_ID", ""},
                {"PROXY_CONFIG_FILE", (spool / "elsewhere.toml").string()}});
  expect_delivered(name, module);
}

TEST_F(SettingsReach, HttpAddress) {
  bridge = std::make_unique<Bridge>(environment({{"PROXY_HTTP_ADDRESS", "127.0.0.2"}}));
  const std::string url = "http://127.0.0.2:" + std::to_string(bridge->http_port()) + "/health";
  EXPECT_TRUE(wait_until([&] {
    try {
      return support::http_request({.url = url}).status == 200;
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
  EXPECT_EQ(bridge->get("/health").status, 0) << "nobody listens on 127.0.0.1";
}

TEST_F(SettingsReach, LogLevel) {
  const std::string name = push("m", module);
  start_bridge({{"PROXY_LOG_LEVEL", "error"}});
  expect_delivered(name, module);
  EXPECT_EQ(bridge->process().output(), "");
}

TEST_F(SettingsReach, MqttTimeout) {
  support::DelayRelay silent({.target_port = broker.port()});
  silent.stall();
  bridge = std::make_unique<Bridge>(environment(
      {{"PROXY_MQTT_ADDRESS", "tcp://127.0.0.1:" + std::to_string(silent.port())}, {"PROXY_MQTT_TIMEOUT", "1s"}}));
  EXPECT_TRUE(wait_until([&] { return silent.connections() >= 2; }, milliseconds(20'000)))
      << "the default of 30 s is not over yet";
}

// A lower bound: one message in flight at a time costs a round trip for each.
TEST_F(SettingsReach, MqttInflight) {
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_MQTT_INFLIGHT", "1"}, {"PROXY_CHUNK_SIZE", "7000"}, {"PROXY_MQTT_QOS", "1"}},
                    milliseconds(20));
  const auto begin = std::chrono::steady_clock::now();
  expect_delivered(name, module);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 9 * milliseconds(40));
}

TEST_F(SettingsReach, ChannelCapacity) {
  const std::string name = push("m", wasm_module(5'000'000));
  for (const std::string capacity : {"2", "6"}) {
    start_slow_bridge({{"PROXY_CHANNEL_CAPACITY", capacity}, {"PROXY_CHUNK_SIZE", "50000"}});
    ChannelWatch watch(device_options(), topics);
    watch.request(name);
    ASSERT_TRUE(watch.wait_chunk(name, 3));
    relay->stall();
    // One place is kept for small images.
    const double wanted = std::stod(capacity) - 1;
    const auto chunks = [&] { return bridge->metric("propeller_bridge_channel_chunks"); };
    EXPECT_TRUE(wait_until([&] { return chunks() == wanted; })) << chunks() << " with a capacity of " << capacity;
    EXPECT_FALSE(wait_until([&] { return chunks() > wanted; }, milliseconds(500)));
    bridge->process().signal(SIGKILL);
    ASSERT_TRUE(bridge->process().wait_exit());
  }
}

TEST_F(SettingsReach, ShutdownTimeoutUnderItsShortName) {
  const std::string name = push("m", wasm_module(2'000'000));
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "10000"}, {"SHUTDOWN_TIMEOUT", "1s"}}, milliseconds(50));
  ChannelWatch watch(device_options(), topics);
  watch.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 3));
  bridge->process().signal(SIGTERM);
  EXPECT_EQ(failure_code(watch, name), "shutting_down") << "it takes 20 s, and the default is 30 s";
  EXPECT_EQ(bridge->process().wait_exit(), 0);
}

TEST_F(SettingsReach, TheKeyUnderItsLatestNames) {
  support::Mosquitto guarded({.users = {{"entity", "the-key"}, {"device", "secret"}}});
  const Environment ids{{"PROXY_MQTT_ADDRESS", guarded.address()},
                        {"PROXY_PROPLET_ID", ""},
                        {"PROXY_PROPLET_KEY", ""},
                        {"PROXY_ENTITY_ID", "entity"},
                        {"PROXY_API_KEY", "the-key"}};
  start_bridge(ids);
  auto wrong = ids;
  wrong["PROXY_API_KEY"] = "another";
  bridge.reset();  // it has the spool
  bridge = std::make_unique<Bridge>(environment(wrong));
  EXPECT_TRUE(bridge->process().wait_line("no broker connection"));
  EXPECT_EQ(bridge->get("/health").status, 503);
}

TEST_F(SettingsReach, DockersConfigInTheHomeDirectory) {
  support::FakeRegistry fake({.auth = support::FakeAuth::basic, .username = "ann", .password = "pa55"});
  fake.push_module("acme/m", "latest", module);
  const support::TempDir home;
  std::filesystem::create_directory(home / ".docker");
  support::write_file(home / ".docker" / "config.json",
                      R"({"auths":{")" + fake.host() + R"(":{"auth":")" + support::encode_base64("ann:pa55") + "\"}}}");
  start_bridge({{"PROXY_REGISTRY_URL", fake.url()}, {"HOME", home.path().string()}});
  expect_delivered("acme/m", module);
}

TEST_F(SettingsReach, TheSmallestChannelCapacityStillDelivers) {
  const std::string name = push("m", module);
  start_bridge({{"PROXY_CHANNEL_CAPACITY", "1"}, {"PROXY_CHUNK_SIZE", "1000"}});
  expect_delivered(name, module);
}

}  // namespace
}  // namespace propeller::integration
