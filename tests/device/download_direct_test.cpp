#include <zstd.h>

#include "device/download_bench.hpp"

namespace propeller::device {
namespace {

TEST(Direct, AcknowledgesEveryHalfWindowAndTheEnd) {
  Bench bench(mqtt::Delivery::direct, 4);
  const std::string image = image_of(95);
  bench.connect();
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->deliver, mqtt::Delivery::direct);
  EXPECT_EQ(request->proplet_id, "me");
  bench.announce(bench.manifest(image));
  bench.direct_chunk(image, 0);
  EXPECT_FALSE(bench.acknowledged());
  bench.direct_chunk(image, 1);
  const auto ack = bench.acknowledged();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->transfer, "t1");
  EXPECT_EQ(ack->received_in_order, 2U);
  for (std::uint64_t index = 2; index < 10; ++index) bench.direct_chunk(image, index);
  const auto last = bench.acknowledged();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->received_in_order, 10U);
  EXPECT_TRUE(bench.delivered().is_verified);
  EXPECT_EQ(bench.result(), image);
}

// The bridge may keep a smaller window than the one asked for, and waits for an acknowledgement then.
TEST(Direct, AcknowledgesWhatThereIsWhenNothingMoreComes) {
  Bench bench(mqtt::Delivery::direct, 64);
  const std::string image = image_of(95);
  bench.connect();
  bench.announce(bench.manifest(image));
  bench.direct_chunk(image, 0);
  EXPECT_FALSE(bench.acknowledged());
  bench.pass(500ms);
  const auto ack = bench.acknowledged();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->received_in_order, 1U);
}

TEST(Direct, SaysWhatIsMissingWhenNothingComes) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  bench.connect();
  bench.announce(bench.manifest(image));
  for (const std::uint64_t index : {0, 1, 2, 5, 6}) bench.direct_chunk(image, index);
  (void)bench.sent();
  bench.pass(7s);
  const auto ack = bench.acknowledged();
  ASSERT_TRUE(ack);
  ASSERT_TRUE(ack->missing);
  EXPECT_EQ(ack->missing->to_string(), "3-4,7-9");
}

TEST(Direct, ChunksOfAnotherTransferOrTopicAreDropped) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  bench.connect();
  bench.direct_chunk(image, 0);  // before the manifest
  bench.announce(bench.manifest(image));
  bench.direct_chunk(image, 0, "t2");
  bench.direct("x", 10);
  bench.chunk(image, 0);  // a broadcast of somebody else's
  bench.download().on_message(bench.topics().chunks + "/me/t1/0x", image.substr(0, kChunk), {});
  bench.download().on_message(bench.topics().chunks + "/me/t1", image.substr(0, kChunk), {});
  EXPECT_EQ(bench.download().progress().chunks, 0U);
}

TEST(Direct, AChunkWithAnotherHashIsMissing) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(25);
  auto manifest = bench.manifest(image);
  for (std::uint64_t index = 0; index < 3; ++index) {
    manifest.chunk_sha256.push_back(base::sha256(image.substr(index * kChunk, kChunk)).hex());
  }
  bench.connect();
  bench.announce(manifest);
  bench.direct(std::string(kChunk, 'x'), 0);
  EXPECT_EQ(bench.download().progress().chunks, 0U);
  for (std::uint64_t index = 0; index < 3; ++index) bench.direct_chunk(image, index);
  EXPECT_EQ(bench.result(), image);
}

std::string zstd(const std::string& bytes) {
  std::string frame(ZSTD_compressBound(bytes.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 3));
  return frame;
}

TEST(Direct, EveryChunkIsAZstdFrameOfItsOwn) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  auto manifest = bench.manifest(image);
  manifest.compression = mqtt::Compression::zstd;
  bench.connect();
  bench.announce(manifest);
  bench.direct("no frame", 0);
  bench.direct(zstd(std::string(1'000'000, 'x')), 0);  // unpacks to more than a chunk
  EXPECT_EQ(bench.download().progress().chunks, 0U);
  for (std::uint64_t index = 0; index < 10; ++index) bench.direct(zstd(image.substr(index * kChunk, kChunk)), index);
  EXPECT_EQ(bench.result(), image);
}

TEST(Direct, ChunksMayComeAsJson) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  auto manifest = bench.manifest(image);
  manifest.encoding = mqtt::Encoding::json;
  bench.connect();
  bench.announce(manifest);
  for (std::uint64_t index = 0; index < 10; ++index) {
    bench.direct(mqtt::encode_chunk(kName, index, 10, bytes_of(image.substr(index * kChunk, kChunk))), index);
  }
  EXPECT_EQ(bench.result(), image);
}

TEST(Direct, AManifestOverTheLimitEndsIt) {
  Bench bench(mqtt::Delivery::direct);
  auto manifest = bench.manifest(image_of(95));
  manifest.total_chunks = std::uint64_t{1} << 60;
  bench.connect();
  bench.announce(manifest);
  EXPECT_EQ(bench.error().code, Code::too_large);
}

TEST(Direct, AfterAReconnectTheRestComesUnderANewTransfer) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  bench.connect();
  bench.announce(bench.manifest(image));
  for (std::uint64_t index = 0; index < 6; ++index) bench.direct_chunk(image, index);
  (void)bench.sent();
  bench.download().on_disconnected({Code::disconnected, Origin::upstream, "gone"});
  bench.connect();
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->missing->to_string(), "6-9");
  EXPECT_EQ(request->digest, base::sha256(image));
  EXPECT_EQ(request->chunk_size, kChunk);
  bench.announce(bench.manifest(image, "t2"));
  for (std::uint64_t index = 6; index < 10; ++index) bench.direct_chunk(image, index, "t2");
  EXPECT_EQ(bench.result(), image);
}

TEST(Direct, AnImageThatChangedMeanwhileIsBegunAnew) {
  Bench bench(mqtt::Delivery::direct);
  const std::string old = std::string(95, 'o'), image = image_of(85);
  bench.connect();
  bench.announce(bench.manifest(old));
  bench.direct_chunk(old, 0);
  bench.connect();
  (void)bench.sent();
  bench.failed("digest_mismatch");
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_FALSE(request->digest);
  EXPECT_FALSE(request->missing);
  bench.announce(bench.manifest(image, "t2"));
  for (std::uint64_t index = 0; index < 9; ++index) bench.direct_chunk(image, index, "t2");
  EXPECT_EQ(bench.result(), image);
}

TEST(Direct, StatusesOfOtherDevicesAreNotOurs) {
  Bench bench(mqtt::Delivery::direct);
  bench.connect();
  bench.status(mqtt::State::failed, {},
               {.transfer = "t9", .proplet_id = "another", .code = "not_found", .message = "x"});
  bench.status(mqtt::State::failed, {}, {.transfer = "t9", .proplet_id = "", .code = "not_found", .message = "x"});
  EXPECT_FALSE(bench.download().outcome());
  bench.failed("not_found");
  EXPECT_EQ(bench.error().code, Code::not_found);
}

TEST(Direct, OnceAcceptedItDoesNotLoseItsPlaceByAskingAgain) {
  Bench bench(mqtt::Delivery::direct);
  bench.connect();
  (void)bench.sent();
  bench.status(mqtt::State::accepted, {}, {.proplet_id = "me"});
  bench.pass(25s);
  EXPECT_FALSE(bench.asked());
}

// A bridge that was killed does not know the transfer any more: naming what is missing is not enough.
TEST(Direct, ABeginningBridgeIsAskedAgainWhenADeliveryFallsSilent) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  bench.connect();
  bench.status(mqtt::State::sending, image, {.proplet_id = "me"});
  bench.announce(bench.manifest(image));
  bench.direct_chunk(image, 0);
  (void)bench.sent();
  bench.pass(11s);
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->missing->to_string(), "1-9");
}

TEST(Resume, ALaterRunAsksForTheRestOnly) {
  Bench bench(mqtt::Delivery::direct);
  const std::string image = image_of(95);
  bench.connect();
  bench.announce(bench.manifest(image));
  for (const std::uint64_t index : {0, 1, 2, 7}) bench.direct_chunk(image, index);
  const auto left = bench.download().resume_state();
  ASSERT_TRUE(left);
  const auto state = parse_resume_state(encode_resume_state(*left));
  ASSERT_TRUE(state);

  bench.restart_with(*state);
  EXPECT_EQ(bench.download().progress().bytes, 40U);
  bench.connect();
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->missing->to_string(), "3-6,8-9");
  bench.announce(bench.manifest(image, "t2"));
  for (const std::uint64_t index : {3, 4, 5, 6, 8, 9}) bench.direct_chunk(image, index, "t2");
  EXPECT_EQ(bench.result(), image);
}

TEST(Resume, APartFileThatRottedIsFoundOutAndBegunAnew) {
  Bench bench;
  const std::string image = image_of(95);
  bench.connect();
  bench.status(mqtt::State::sending, image);
  for (std::uint64_t index = 0; index < 9; ++index) bench.chunk(image, index);
  const auto state = bench.download().resume_state();
  ASSERT_TRUE(state);
  ASSERT_TRUE(bench.file().write(13, bytes_of("rot")));

  bench.restart_with(*state);
  bench.connect();
  EXPECT_EQ(bench.asked()->missing->to_string(), "9");
  bench.chunk(image, 9);
  const auto request = bench.asked();
  ASSERT_TRUE(request);
  EXPECT_FALSE(request->missing);
  for (std::uint64_t index = 0; index < 10; ++index) bench.chunk(image, index);
  EXPECT_EQ(bench.result(), image);
}

TEST(Resume, WithoutADigestThereIsNothingToGoOnWith) {
  Bench bench;
  bench.connect();
  bench.chunk(image_of(95), 0);
  EXPECT_FALSE(bench.download().resume_state());
}

TEST(Resume, WhatIsNoStateIsIgnored) {
  for (const char* text :
       {"", "[]", "{}", "{\"app_name\":1}", "garbage",
        R"({"app_name":"a","proplet_id":"p","digest":"sha256:1","chunk_size":1,"total_chunks":1,"missing":"0"})"}) {
    EXPECT_FALSE(parse_resume_state(text)) << text;
  }
}

}  // namespace
}  // namespace propeller::device
