// The deployed clients' habits, fed by hand: if these were wrong, the bridge would be fitted to the wrong devices.
#include "support/proplets.hpp"

#include <gtest/gtest.h>

#include "support/base64.hpp"
#include "support/mosquitto.hpp"

namespace propeller::support {
namespace {

std::string chunk(std::uint64_t index, std::uint64_t total, const std::string& data) {
  return R"({"app_name":"x","chunk_idx":)" + std::to_string(index) + R"(,"total_chunks":)" + std::to_string(total) +
         R"(,"data":")" + encode_base64(data) + "\"}";
}

class Proplets : public testing::Test {
 protected:
  Mosquitto broker;
  ChannelTopics topics = classic_topics("c1");
  MqttClient bridge{{.port = broker.port()}};
};

TEST_F(Proplets, RustKeepsTheFirstCopyInAnyOrder) {
  RustProplet device({.port = broker.port()}, topics);
  bridge.publish(topics.chunks(), chunk(1, 2, "b"));
  bridge.publish(topics.chunks(), chunk(1, 2, "WRONG"));
  bridge.publish(topics.chunks(), chunk(0, 3, "other set"));
  bridge.publish(topics.chunks(), chunk(0, 2, "a"));
  EXPECT_EQ(device.wait_module("x", kPatience), "ab");
  EXPECT_EQ(device.duplicates(), 1U);
  EXPECT_EQ(device.dropped(), 1U);
}

TEST_F(Proplets, GoAppendsWhatArrives) {
  GoProplet device({.port = broker.port()}, topics);
  bridge.publish(topics.chunks(), chunk(1, 2, "b"));
  bridge.publish(topics.chunks(), chunk(0, 2, "a"));
  EXPECT_EQ(device.wait_module("x"), "ba");
}

TEST_F(Proplets, EmbeddedTakesOneChunkAndIsWedgedByALargeOne) {
  EmbeddedProplet device(broker.port(), topics);
  bridge.subscribe(topics.request());
  device.request("x");
  ASSERT_TRUE(bridge.wait_topic(topics.request()));
  bridge.publish(topics.chunks(), chunk(5, 9, "module"));
  EXPECT_EQ(device.wait_module(), "module");
  bridge.publish(topics.chunks(), chunk(0, 1, std::string(800, 'x')));
  EXPECT_TRUE(wait_until([&] { return device.is_wedged(); }));
}

TEST_F(Proplets, AChannelWatchTellsChunksFromStatuses) {
  ChannelWatch watch({.port = broker.port()}, topics);
  bridge.publish(topics.chunks(), chunk(3, 9, "abc"));
  bridge.publish(topics.status(), R"({"app_name":"x","state":"failed","code":"not_found"})");
  EXPECT_EQ(watch.wait_chunk("x", 3)->data_bytes, 3U);
  const auto status = watch.wait_status("x", "failed");
  ASSERT_TRUE(status);
  EXPECT_EQ((*status)["code"], "not_found");
}

}  // namespace
}  // namespace propeller::support
