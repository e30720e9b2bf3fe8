// PROTOCOL 2.4: bridges that share a channel.
#include "integration/site.hpp"

namespace propeller::integration {
namespace {

class ShareGroup : public Site, public testing::WithParamInterface<std::string> {
 protected:
  Environment member(int number) const {
    return environment({{"PROXY_MQTT_SHARE_GROUP", "site"},
                        {"PROXY_MQTT_VERSION", GetParam()},
                        {"PROXY_SPOOL_DIR", (spool / ("spool" + std::to_string(number))).string()}});
  }
};

TEST_P(ShareGroup, TheBrokerSpreadsRequestsOverTwoBridges) {
  Bridge first(member(1)), second(member(2));
  ASSERT_TRUE(first.wait_healthy() && second.wait_healthy());
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const std::string module = wasm_module(600 + i, i);
    const std::string name = push("m" + std::to_string(i), module);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name, kPatience) == module);
    ASSERT_TRUE(watch.wait_status(name, "done") && watch.wait_chunk(name, 0));
    EXPECT_EQ(watch.indices(name).size(), 1U) << "one bridge answers, not both";
  }
  const double a = first.metric("propeller_bridge_requests_total"),
               b = second.metric("propeller_bridge_requests_total");
  EXPECT_GT(a, 0);
  EXPECT_GT(b, 0);
  EXPECT_EQ(a + b, 10);
  EXPECT_EQ(broker.log().find("already connected"), std::string::npos) << "each has a client id of its own";
}

TEST_P(ShareGroup, OneImageAskedOfBothStillArrivesWhole) {
  const std::string module = wasm_module(2'000'000);
  const std::string name = push("m", module);
  Bridge first(member(1)), second(member(2));
  ASSERT_TRUE(first.wait_healthy() && second.wait_healthy());
  support::RustProplet device(device_options(), topics), other(device_options(), topics);
  device.request(name);
  other.request(name);
  EXPECT_TRUE(device.wait_module(name) == module);
  EXPECT_TRUE(other.wait_module(name) == module);
}

TEST_P(ShareGroup, WhatOneLeavesTheOtherTakes) {
  Bridge first(member(1));
  auto second = std::make_unique<Bridge>(member(2));
  ASSERT_TRUE(first.wait_healthy() && second->wait_healthy());
  second.reset();
  support::RustProplet device(device_options(), topics);
  const auto disconnected = [&] { return broker.log().find("closed its connection") != std::string::npos; };
  ASSERT_TRUE(wait_until(disconnected));
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::string module = wasm_module(600, i);
    const std::string name = push("m" + std::to_string(i), module);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name, kPatience) == module);
  }
}

INSTANTIATE_TEST_SUITE_P(MqttVersions, ShareGroup, testing::Values("3.1.1", "5"),
                         [](const auto& info) { return info.param == "5" ? "Mqtt5" : "Mqtt311"; });

TEST(ShareGroups, AreRefusedOnClassicChannels) {
  const auto outcome = run_program({"check"}, {{"PROXY_PROPLET_ID", "p"},
                                               {"PROXY_PROPLET_KEY", "k"},
                                               {"PROXY_CHANNEL_ID", "c"},
                                               {"PROXY_MQTT_SHARE_GROUP", "g"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.output.find("PROXY_MQTT_SHARE_GROUP"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace propeller::integration
