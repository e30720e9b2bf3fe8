// PROTOCOL 1.4: each client that is deployed ends with the right bytes.
#include "integration/site.hpp"

namespace propeller::integration {
namespace {

constexpr std::size_t kChunk = 512'000;
constexpr std::size_t kMiB = 1024 * 1024;

class DeployedClients : public Site, public testing::WithParamInterface<std::size_t> {
 protected:
  std::string module = wasm_module(GetParam(), 42);
  std::string name = push("module", module);
};

TEST_P(DeployedClients, RustProplet) {
  start_bridge();
  support::RustProplet device(device_options(), topics);
  device.request(name);
  EXPECT_TRUE(device.wait_module(name) == module);
  EXPECT_EQ(device.duplicates(), 0U);
  EXPECT_EQ(device.dropped(), 0U);
}

TEST_P(DeployedClients, GoPropletOnAClassicChannel) {
  start_bridge({{"PROXY_DOMAIN_ID", ""}});
  support::GoProplet device(device_options(), support::classic_topics("c1"));
  device.request(name);
  EXPECT_TRUE(device.wait_module(name) == module);
  EXPECT_EQ(device.chunks_held(name), 0U);
}

TEST_P(DeployedClients, GoPropletOnADomainMessagesChannel) {
  start_bridge({{"PROXY_TOPIC_FAMILY", "domain-messages"}});
  support::GoProplet device(device_options(), support::domain_messages_topics("t1", "c1"), 2);
  device.request(name);
  EXPECT_TRUE(device.wait_module(name) == module);
}

TEST_P(DeployedClients, FromTheSpoolAsFromTheRegistry) {
  start_bridge();
  for (int pass = 0; pass < 2; ++pass) {
    support::RustProplet device(device_options(), topics);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name) == module) << "pass " << pass;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, DeployedClients, testing::Values(600, kChunk, kChunk + 1, kMiB + 1, 10 * kMiB),
                         [](const auto& info) { return std::to_string(info.param) + "Bytes"; });

class EmbeddedClients : public Site {
 protected:
  Environment embedded{{"PROXY_CHANNEL_PROFILE", "embedded"}};
};

TEST_F(EmbeddedClients, GetTheModuleInOneSmallMessage) {
  const std::string module = wasm_module(600);
  const std::string name = push("m", module);
  start_bridge(embedded);
  support::EmbeddedProplet device(broker.port(), topics);
  device.request(name);
  EXPECT_TRUE(device.wait_module() == module);
  EXPECT_FALSE(device.is_wedged());
}

TEST_F(EmbeddedClients, AreToldAndNotWedgedWhenTheImageDoesNotFit) {
  const std::string large = push("large", wasm_module(2000)), small = push("m", wasm_module(500));
  start_bridge(embedded);
  support::EmbeddedProplet device(broker.port(), topics);
  ChannelWatch watch(device_options(), topics);
  device.request(large);
  EXPECT_EQ(failure_code(watch, large), "too_large");
  device.request(small);
  EXPECT_TRUE(device.wait_module() == wasm_module(500));
  EXPECT_FALSE(device.is_wedged());
}

// A QoS 1 subscriber that never acknowledges is cut off after Mosquitto's 20 messages in flight; at QoS 0 it is not.
TEST_F(EmbeddedClients, GetMoreModulesThanABrokerKeepsUnacknowledged) {
  const std::string module = wasm_module(300);
  const std::string name = push("m", module);
  start_bridge(embedded);
  support::EmbeddedProplet device(broker.port(), topics, 1);
  for (int round = 0; round < 30; ++round) {
    device.request(name);
    ASSERT_TRUE(device.wait_module() == module) << "round " << round;
  }
}

}  // namespace
}  // namespace propeller::integration
