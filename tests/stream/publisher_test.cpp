#include "stream/publisher.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace propeller::stream {
namespace {

constexpr std::size_t kBytesMax = 1'000'000;

struct PublisherTest : testing::Test {
  std::vector<mqtt::Outgoing> sent;
  bool is_connected = true;
  std::optional<Error> refusal;
  Publisher publisher{[this](mqtt::Outgoing message) -> Result<void> {
                        if (!is_connected) return fail(Code::disconnected, Origin::upstream, "");
                        if (refusal) return std::unexpected(*refusal);
                        sent.push_back(std::move(message));
                        return {};
                      },
                      4};
};

TEST_F(PublisherTest, SendsNothingBeforeTheBrokerIsReady) {
  EXPECT_FALSE(publisher.has_room(kBytesMax));
  EXPECT_TRUE(publisher.queue_control({.topic = "status"}));
  publisher.flush_control();
  EXPECT_TRUE(sent.empty());
  publisher.ready({});
  publisher.flush_control();
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(PublisherTest, KeepsTheLastPlaceOfTheWindowForSmallImages) {
  publisher.ready({});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(publisher.send_chunk({}, {.lane = 1, .wire_bytes = 10}));
  EXPECT_FALSE(publisher.has_room(kBytesMax));
  EXPECT_TRUE(publisher.has_room_for_small());
  ASSERT_TRUE(publisher.send_chunk({}, {.lane = 2, .wire_bytes = 10}));
  EXPECT_FALSE(publisher.has_room_for_small());
  EXPECT_EQ(publisher.delivered(sent[0].token)->lane, 1u);
  EXPECT_TRUE(publisher.has_room_for_small());
}

TEST_F(PublisherTest, BytesInFlightAreBoundedButOneMessageAlwaysGoes) {
  publisher.ready({});
  EXPECT_TRUE(publisher.has_room(100));
  ASSERT_TRUE(publisher.send_chunk({}, {.lane = 1, .wire_bytes = 5000}));
  EXPECT_FALSE(publisher.has_room(100));
  (void)publisher.delivered(sent[0].token);
  EXPECT_TRUE(publisher.has_room(100));
}

TEST_F(PublisherTest, TheBrokersReceiveMaximumBindsUs) {
  publisher.ready({.receive_max = 1});
  ASSERT_TRUE(publisher.send_chunk({}, {.lane = 1, .wire_bytes = 1}));
  EXPECT_FALSE(publisher.has_room_for_small());
}

TEST_F(PublisherTest, StatusesAreBounded) {
  for (std::size_t i = 0; i < Publisher::kControlQueuedMax; ++i) ASSERT_TRUE(publisher.queue_control({}));
  EXPECT_FALSE(publisher.queue_control({}));
  EXPECT_EQ(publisher.dropped(), 1u);
}

TEST_F(PublisherTest, StatusesAreBoundedInBytes) {
  const std::string payload(Publisher::kControlBytesMax / 2, 'x');
  EXPECT_TRUE(publisher.queue_control({.payload = payload}));
  EXPECT_TRUE(publisher.queue_control({.payload = payload}));
  EXPECT_FALSE(publisher.queue_control({.payload = "x"}));
  publisher.ready({});
  publisher.flush_control();
  EXPECT_TRUE(publisher.queue_control({.payload = "x"})) << "what has left takes no room";
}

TEST_F(PublisherTest, TheWindowBoundsAllMessagesTogether) {
  publisher.ready({});
  ASSERT_TRUE(publisher.send_chunk({}, {.lane = 1, .wire_bytes = 1}));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(publisher.queue_control({.topic = "status"}));
  publisher.announce(2, {.topic = "manifest"});
  publisher.flush_control();
  ASSERT_EQ(sent.size(), 4u);
  EXPECT_EQ(sent[1].topic, "manifest") << "a device waits for it";
  EXPECT_FALSE(publisher.has_room_for_small());
  (void)publisher.delivered(sent[0].token);
  publisher.flush_control();
  EXPECT_EQ(sent.size(), 5u);
}

TEST_F(PublisherTest, WithAWideWindowStatusesLeaveRoomForChunks) {
  Publisher wide(
      [this](mqtt::Outgoing message) -> Result<void> {
        sent.push_back(std::move(message));
        return {};
      },
      64);
  wide.ready({});
  for (std::size_t i = 0; i < 2 * Publisher::kControlInFlightMax; ++i) ASSERT_TRUE(wide.queue_control({}));
  wide.flush_control();
  EXPECT_EQ(sent.size(), Publisher::kControlInFlightMax);
}

TEST_F(PublisherTest, AManifestThatLeftIsReportedAndOneThatIsRefusedToo) {
  publisher.ready({});
  publisher.announce(7, {.topic = "manifest"});
  publisher.flush_control();
  const auto left = publisher.take_announced();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].lane, 7u);
  EXPECT_FALSE(left[0].refused);
  const auto lost = publisher.undelivered(sent[0].token);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->lane, 7u);
  EXPECT_TRUE(lost->is_manifest);
  refusal = Error{Code::too_large, Origin::upstream, "over the broker's packet size"};
  publisher.announce(8, {.topic = "manifest"});
  publisher.flush_control();
  const auto refused = publisher.take_announced();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].refused);
  EXPECT_TRUE(publisher.is_idle());
}

// One status that the broker does not take silenced the bridge for good.
TEST_F(PublisherTest, AStatusThatCannotBeSentIsDroppedAndTheNextOneLeaves) {
  publisher.ready({});
  refusal = Error{Code::too_large, Origin::upstream, "over the broker's packet size"};
  ASSERT_TRUE(publisher.queue_control({.payload = "large"}));
  publisher.flush_control();
  refusal.reset();
  ASSERT_TRUE(publisher.queue_control({.payload = "next"}));
  publisher.flush_control();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].payload, "next");
  EXPECT_EQ(publisher.dropped(), 1u);
}

TEST_F(PublisherTest, AStatusThatIsLostAgainAndAgainIsGivenUp) {
  ASSERT_TRUE(publisher.queue_control({.payload = "poison"}));
  for (std::uint32_t i = 0; i < Publisher::kLossesMax; ++i) {
    publisher.ready({});
    publisher.flush_control();
    ASSERT_EQ(sent.size(), i + 1);
    (void)publisher.undelivered(sent.back().token);
    publisher.down();
  }
  EXPECT_TRUE(publisher.is_idle());
  EXPECT_EQ(publisher.dropped(), 1u);
}

TEST_F(PublisherTest, ALostControlMessageIsSentAgainALostChunkIsNot) {
  publisher.ready({});
  ASSERT_TRUE(publisher.queue_control({.topic = "status", .payload = "failed"}));
  publisher.flush_control();
  ASSERT_TRUE(publisher.send_chunk({}, {.lane = 1, .wire_bytes = 1}));
  (void)publisher.undelivered(sent[0].token);
  (void)publisher.undelivered(sent[1].token);
  publisher.down();
  publisher.ready({});
  publisher.flush_control();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[2].payload, "failed");
}

TEST_F(PublisherTest, LostControlMessagesKeepTheirOrderHoweverTheyAreReported) {
  publisher.ready({});
  for (const char* payload : {"accepted", "sending", "done"})
    ASSERT_TRUE(publisher.queue_control({.payload = payload}));
  publisher.flush_control();
  publisher.down();
  ASSERT_TRUE(publisher.queue_control({.payload = "later"}));
  for (const std::size_t lost : {2, 0, 1}) (void)publisher.undelivered(sent[lost].token);
  sent.clear();
  publisher.ready({});
  publisher.flush_control();
  std::vector<std::string> payloads;
  for (const auto& message : sent) payloads.push_back(message.payload);
  EXPECT_EQ(payloads, (std::vector<std::string>{"accepted", "sending", "done", "later"}));
}

TEST_F(PublisherTest, WhatTheSessionRefusesStaysQueued) {
  publisher.ready({});
  is_connected = false;
  ASSERT_TRUE(publisher.queue_control({.payload = "kept"}));
  publisher.flush_control();
  is_connected = true;
  publisher.flush_control();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].payload, "kept");
}

}  // namespace
}  // namespace propeller::stream
