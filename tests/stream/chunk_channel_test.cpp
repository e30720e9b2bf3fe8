#include "stream/chunk_channel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

namespace propeller::stream {
namespace {

struct ChunkChannelTest : testing::Test {
  ChunkChannel channel{10};
  std::atomic<int> consumer_wakes = 0, producer_wakes = 0;

  ChunkChannelTest() {
    channel.set_wakers([this] { ++consumer_wakes; }, [this] { ++producer_wakes; });
  }
  LaneId lane_of(ChunkChannel::Class lane_class) {
    const auto lane = channel.open_lane();
    channel.set_class(lane, lane_class);
    return lane;
  }
  /// Orders and fills one chunk; false when the channel does not take it.
  bool push(LaneId lane, std::uint64_t index, std::size_t size = 100) {
    channel.order(lane, index);
    const auto order = channel.next_order(lane).order;
    if (channel.reserve(lane, *order) != ChunkChannel::Place::reserved) return false;
    channel.push(*order, chunk_of(lane, index, size));
    return true;
  }
  static Chunk chunk_of(LaneId lane, std::uint64_t index, std::size_t size = 1) {
    return {.lane = lane, .index = index, .data = std::make_unique<std::byte[]>(size), .size = size};
  }
};

// The bound is the product's memory promise.
TEST_F(ChunkChannelTest, EleventhPushWaitsUntilTheConsumerTakesOrCloses) {
  const auto bulk = lane_of(ChunkChannel::Class::bulk);
  const auto small = lane_of(ChunkChannel::Class::small);
  for (std::uint64_t i = 0; i < 9; ++i) ASSERT_TRUE(push(bulk, i)) << i;
  EXPECT_TRUE(channel.is_full());
  EXPECT_FALSE(push(bulk, 9)) << "the last place is for small images";
  EXPECT_TRUE(push(small, 0));
  EXPECT_FALSE(push(small, 1)) << "ten is ten, for small images too";
  EXPECT_EQ(channel.size(), 10u);
  const int wakes = producer_wakes;
  channel.close_lane(bulk);
  EXPECT_EQ(channel.size(), 1u);
  EXPECT_GT(producer_wakes, wakes) << "the producer is told that there is room";
  EXPECT_TRUE(push(small, 2));
}

TEST_F(ChunkChannelTest, KeepsTheOrderOfALane) {
  const auto lane = lane_of(ChunkChannel::Class::bulk);
  for (const std::uint64_t index : {4, 5, 0, 1}) ASSERT_TRUE(push(lane, index));
  for (const std::uint64_t index : {4, 5, 0, 1}) EXPECT_EQ(channel.pop()->index, index);
  EXPECT_FALSE(channel.pop());
}

TEST_F(ChunkChannelTest, SmallImagesGoFirstButNotForEver) {
  const auto bulk = lane_of(ChunkChannel::Class::bulk);
  ASSERT_TRUE(push(bulk, 0));
  const auto small = lane_of(ChunkChannel::Class::small);
  for (int i = 0; i < ChunkChannel::kSmallInARowMax; ++i) {
    ASSERT_TRUE(push(small, 0));
    EXPECT_EQ(channel.pop()->lane, small);
  }
  ASSERT_TRUE(push(small, 0));
  EXPECT_EQ(channel.pop()->lane, bulk) << "a flood of small images does not starve the rest";
}

TEST_F(ChunkChannelTest, LanesAreServedByBytesNotByChunks) {
  const auto heavy = lane_of(ChunkChannel::Class::bulk);
  const auto light = lane_of(ChunkChannel::Class::bulk);
  std::size_t heavy_bytes = 0, light_bytes = 0;
  for (std::uint64_t round = 0; round < 60; ++round) {
    if (channel.on_the_way(heavy) == 0) ASSERT_TRUE(push(heavy, round, 1000));
    if (channel.on_the_way(light) == 0) ASSERT_TRUE(push(light, round, 250));
    const auto chunk = channel.pop();
    (chunk->lane == heavy ? heavy_bytes : light_bytes) += chunk->size;
  }
  EXPECT_NEAR(static_cast<double>(heavy_bytes), static_cast<double>(light_bytes), 1000);
}

TEST_F(ChunkChannelTest, ALaneTakesOnlyItsShareOfTheRoom) {
  const auto from_disk = lane_of(ChunkChannel::Class::bulk);
  const auto from_afar = lane_of(ChunkChannel::Class::bulk);
  channel.order(from_afar, 0);
  const auto order = channel.next_order(from_afar).order;
  std::uint64_t taken = 0;
  while (taken < 20 && push(from_disk, taken)) ++taken;
  EXPECT_EQ(taken, 5u);
  EXPECT_EQ(channel.reserve(from_afar, *order), ChunkChannel::Place::reserved);
}

// A worker with two hundred lanes that read first and then wait for a place holds two hundred chunks.
TEST_F(ChunkChannelTest, AReservedPlaceCountsBeforeItsBytesAreThere) {
  std::vector<std::pair<LaneId, ChunkChannel::Order>> waiting;
  for (int i = 0; i < 12; ++i) {
    const auto lane = lane_of(ChunkChannel::Class::small);
    channel.order(lane, 0);
    waiting.emplace_back(lane, *channel.next_order(lane).order);
  }
  for (int i = 0; i < 10; ++i)
    ASSERT_EQ(channel.reserve(waiting[i].first, waiting[i].second), ChunkChannel::Place::reserved) << i;
  EXPECT_EQ(channel.size(), 10u);
  EXPECT_TRUE(channel.is_full());
  EXPECT_EQ(channel.reserve(waiting[10].first, waiting[10].second), ChunkChannel::Place::none);
  channel.close_lane(waiting[0].first);
  channel.push(waiting[0].second, chunk_of(waiting[0].first, 0));
  EXPECT_EQ(channel.size(), 9u) << "the lane's end gives its place back, once";
  channel.reset_lane(waiting[1].first);
  EXPECT_EQ(channel.size(), 8u);
  channel.push(waiting[1].second, chunk_of(waiting[1].first, 0));
  EXPECT_FALSE(channel.pop()) << "its order is void";
  for (int i = 10; i < 12; ++i)
    EXPECT_EQ(channel.reserve(waiting[i].first, waiting[i].second), ChunkChannel::Place::reserved) << i;
}

TEST_F(ChunkChannelTest, ChunksOrderedBeforeAResetAreDropped) {
  const auto lane = lane_of(ChunkChannel::Class::bulk);
  ASSERT_TRUE(push(lane, 0));
  channel.order(lane, 1);
  const auto stale = channel.next_order(lane).order;
  channel.reset_lane(lane);
  EXPECT_EQ(channel.reserve(lane, *stale), ChunkChannel::Place::stale) << "taken off the producer's hands";
  EXPECT_FALSE(channel.pop());
  EXPECT_EQ(channel.on_the_way(lane), 0u);
  EXPECT_TRUE(push(lane, 1));
  EXPECT_EQ(channel.pop()->index, 1u);
}

TEST_F(ChunkChannelTest, FailEndsTheLaneOnBothSides) {
  const auto lane = lane_of(ChunkChannel::Class::bulk);
  ASSERT_TRUE(push(lane, 0));
  channel.fail(lane, {Code::digest_mismatch, Origin::upstream, "wrong"});
  EXPECT_FALSE(channel.pop());
  EXPECT_TRUE(channel.next_order(lane).is_closed);
  const auto failures = channel.take_failures();
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].first, lane);
  EXPECT_EQ(failures[0].second.code, Code::digest_mismatch);
  EXPECT_TRUE(channel.take_failures().empty());
}

TEST(ChunkChannelThreads, CarriesEveryChunkAcrossTwoThreads) {
  constexpr std::uint64_t kChunks = 5000;
  ChunkChannel channel(10);
  std::mutex mutex;
  std::condition_variable changed;
  const auto wake = [&] {
    const std::lock_guard lock(mutex);
    changed.notify_all();
  };
  channel.set_wakers(wake, wake);
  const auto lane = channel.open_lane();
  std::thread producer([&] {
    for (std::uint64_t done = 0; done < kChunks;) {
      std::unique_lock lock(mutex);
      const auto next = channel.next_order(lane);
      if (!next.order) {
        changed.wait_for(lock, std::chrono::milliseconds(10));
        continue;
      }
      Chunk chunk{.lane = lane, .index = next.order->index, .data = std::make_unique<std::byte[]>(8), .size = 8};
      lock.unlock();
      while (channel.reserve(lane, *next.order) != ChunkChannel::Place::reserved) std::this_thread::yield();
      channel.push(*next.order, std::move(chunk));
      ++done;
    }
  });
  std::uint64_t ordered = 0, popped = 0;
  while (popped < kChunks) {
    while (ordered < kChunks && channel.on_the_way(lane) < 10) channel.order(lane, ordered++);
    const auto chunk = channel.pop();
    if (!chunk) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(chunk->index, popped);
    ++popped;
  }
  producer.join();
  EXPECT_EQ(channel.size(), 0u);
}

}  // namespace
}  // namespace propeller::stream
