#include "device/download_bench.hpp"

namespace propeller::device {
namespace {

TEST(Broadcast, AsksOnceConnectedAndIsDoneWithTheLastChunk) {
  Bench bench;
  const std::string image = image_of(95);
  EXPECT_FALSE(bench.asked());
  bench.connect();
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->app_name, kName);
  EXPECT_EQ(request->deliver, mqtt::Delivery::broadcast);
  bench.status(mqtt::State::sending, image, {.proplet_id = "me"});
  for (std::uint64_t index = 0; index < 10; ++index) bench.chunk(image, index);
  EXPECT_TRUE(bench.delivered().is_verified);
  EXPECT_EQ(bench.delivered().digest, base::sha256(image));
  EXPECT_EQ(bench.result(), image);
}

TEST(Broadcast, AgainstABridgeThatSaysNoStatusChunksAreEnough) {
  Bench bench;
  const std::string image = image_of(95);
  bench.connect();
  for (std::uint64_t index = 10; index-- > 0;) bench.chunk(image, index);
  EXPECT_FALSE(bench.delivered().is_verified);
  EXPECT_EQ(bench.result(), image);
}

TEST(Broadcast, ABridgeThatAnsweredMaySayTheDigestAfterTheLastChunk) {
  Bench bench;
  const std::string image = image_of(25);
  bench.connect();
  bench.status(mqtt::State::accepted);
  for (std::uint64_t index = 0; index < 3; ++index) bench.chunk(image, index);
  EXPECT_FALSE(bench.download().outcome());
  bench.status(mqtt::State::done, image);
  bench.pass(100ms);
  EXPECT_TRUE(bench.delivered().is_verified);
}

TEST(Broadcast, ButItIsNotWaitedForForEver) {
  Bench bench;
  const std::string image = image_of(25);
  bench.connect();
  bench.status(mqtt::State::accepted);
  for (std::uint64_t index = 0; index < 3; ++index) bench.chunk(image, index);
  bench.pass(4s);
  EXPECT_FALSE(bench.delivered().is_verified);
}

TEST(Broadcast, ChunksOfOtherImagesAreNotOurs) {
  Bench bench;
  bench.connect();
  bench.download().on_message(bench.topics().chunks, mqtt::encode_chunk("another", 0, 1, bytes_of("x")), {});
  bench.download().on_message(bench.topics().chunks, "{\"garbage\"", {});
  EXPECT_EQ(bench.download().progress().chunks, 0U);
}

TEST(Broadcast, AMixOfTwoVersionsIsFoundOutAndAskedForAnew) {
  Bench bench;
  const std::string image = image_of(95), old = std::string(95, 'o');
  bench.connect();
  bench.status(mqtt::State::sending, image);
  bench.chunk(old, 0);
  for (std::uint64_t index = 1; index < 10; ++index) bench.chunk(image, index);
  (void)bench.sent();
  bench.pass(4s);
  EXPECT_TRUE(bench.asked());
  for (std::uint64_t index = 0; index < 10; ++index) bench.chunk(image, index);
  bench.status(mqtt::State::done, image);
  bench.pass(100ms);
  EXPECT_EQ(bench.result(), image);
}

TEST(Broadcast, WhatNeverFitsTheDigestEndsAfterAFewTries) {
  Bench bench;
  const std::string image = image_of(25), other = std::string(25, 'o');
  bench.connect();
  for (std::uint32_t i = 0; i <= Download::kRestartsMax; ++i) {
    EXPECT_FALSE(bench.download().outcome());
    bench.status(mqtt::State::sending, image);
    for (std::uint64_t index = 0; index < 3; ++index) bench.chunk(other, index);
    bench.pass(4s);
  }
  EXPECT_EQ(bench.error().code, Code::digest_mismatch);
}

TEST(Broadcast, ASetThatWasNeverFinishedGivesWayToTheNext) {
  Bench bench;
  const std::string image = image_of(95), old = std::string(200, 'o');
  bench.connect();
  bench.chunk(old, 0);
  bench.chunk(image, 0);  // not yet
  bench.pass(6s);
  for (std::uint64_t index = 0; index < 10; ++index) bench.chunk(image, index);
  EXPECT_EQ(bench.result(), image);
}

TEST(Broadcast, AsksAgainWhenNothingComes) {
  Bench bench;
  bench.connect();
  EXPECT_TRUE(bench.asked());
  bench.pass(9s);
  EXPECT_FALSE(bench.asked());
  bench.pass(2s);
  EXPECT_TRUE(bench.asked());
}

TEST(Broadcast, AsksSoonWhenTheBridgeIsDoneAndChunksWereLost) {
  Bench bench;
  const std::string image = image_of(95);
  bench.connect();
  (void)bench.sent();
  bench.status(mqtt::State::sending, image);
  for (const std::uint64_t index : {0, 1, 2, 3, 4, 6, 7, 8, 9}) bench.chunk(image, index);
  bench.status(mqtt::State::done, image);
  bench.pass(2s);
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->missing->to_string(), "5");
  EXPECT_EQ(request->digest, base::sha256(image));
  bench.chunk(image, 5);
  EXPECT_EQ(bench.result(), image);
}

TEST(Broadcast, OnASlowLinkAPauseBetweenChunksIsNoSilence) {
  Bench bench;
  const std::string image = image_of(95);
  bench.connect();
  for (std::uint64_t index = 0; index < 4; ++index) {
    bench.pass(9s);
    bench.chunk(image, index);
  }
  (void)bench.sent();
  bench.pass(30s);
  EXPECT_FALSE(bench.asked());
}

TEST(Broadcast, AfterAReconnectItAsksForTheRest) {
  Bench bench;
  const std::string image = image_of(95);
  bench.connect();
  bench.status(mqtt::State::sending, image);
  for (std::uint64_t index = 0; index < 4; ++index) bench.chunk(image, index);
  (void)bench.sent();
  bench.download().on_disconnected({Code::disconnected, Origin::upstream, "gone"});
  bench.pass(5s);
  EXPECT_TRUE(bench.sent().empty());
  bench.connect();
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->missing->to_string(), "4-9");
}

TEST(Broadcast, GivesUpAfterTheSilenceAllowed) {
  Bench bench;
  bench.connect();
  bench.pass(61s);
  EXPECT_EQ(bench.error().code, Code::timeout);
  EXPECT_NE(bench.error().detail.find("is a bridge running"), std::string::npos) << bench.error().detail;
}

TEST(Broadcast, WithoutABrokerTheReasonIsTheBrokers) {
  Bench bench;
  bench.download().on_disconnected({Code::broker_rejected, Origin::upstream, "bad user name"});
  bench.pass(61s);
  EXPECT_EQ(bench.error().code, Code::disconnected);
  EXPECT_NE(bench.error().detail.find("bad user name"), std::string::npos);
}

TEST(Broadcast, AFailureOfOursEndsItWithTheBridgesSentence) {
  Bench bench;
  bench.connect();
  bench.failed("not_found");
  EXPECT_EQ(bench.error().code, Code::not_found);
  EXPECT_EQ(bench.error().detail, "a sentence");
}

TEST(Broadcast, AFailureForNobodyInParticularIsOursToo) {
  Bench bench;
  bench.connect();
  bench.failed("unauthorized", "");
  EXPECT_EQ(bench.error().code, Code::unauthorized);
}

TEST(Broadcast, AFailureOfAnotherDeviceMakesItAskAgain) {
  Bench bench;
  bench.connect();
  (void)bench.sent();
  bench.failed("timeout", "another");
  EXPECT_FALSE(bench.download().outcome());
  bench.pass(2s);
  EXPECT_TRUE(bench.asked());
}

TEST(Broadcast, ABusyBridgeIsAskedAgainUntilTheSilenceAllowedIsOver) {
  Bench bench;
  bench.connect();
  (void)bench.sent();
  int asked = 0;
  for (int i = 0; i < 70 && !bench.download().outcome(); ++i) {
    if (bench.asked()) ++asked;
    bench.failed("overloaded");
    bench.pass(1s);
  }
  EXPECT_GE(asked, 1);
  EXPECT_EQ(bench.error().code, Code::overloaded);
}

TEST(Broadcast, ACodeOfALaterVersionIsShownAsItCame) {
  Bench bench;
  bench.connect();
  bench.failed("quota_exceeded");
  EXPECT_NE(bench.error().detail.find("quota_exceeded"), std::string::npos);
}

TEST(Broadcast, HostileStatusesDoNoHarm) {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 100; ++i) bench.status(mqtt::State::sending, "image " + std::to_string(i));
  const std::string image = image_of(95);
  bench.status(mqtt::State::sending, image);
  for (std::uint64_t index = 0; index < 10; ++index) bench.chunk(image, index);
  EXPECT_TRUE(bench.delivered().is_verified);
}

}  // namespace
}  // namespace propeller::device
