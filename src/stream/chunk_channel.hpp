#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace propeller::stream {

using LaneId = std::uint64_t;

/// Raw bytes of one chunk, on their way from the spool to the broker.
struct Chunk {
  LaneId lane = 0;
  std::uint64_t index = 0;
  std::unique_ptr<std::byte[]> data;
  std::size_t size = 0;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data.get(), size}; }
};

/// Bounded hand-off of chunks from the registry worker (StreamHTTP) to the MQTT worker (StreamMQTT).
///
/// The consumer orders chunks by index, a few ahead; the producer fills the orders of each lane, a lane per transfer.
///
/// Order:    within a lane as ordered. Between lanes: small images first, then whoever got the fewest bytes so far.
/// Bound:    `capacity` chunks over all lanes, one of them kept for small images. Memory: capacity x chunk size, as the
///           producer reserves a place before it has the bytes.
/// Pressure: reserve() refuses while full, or while the lane holds its share; the producer is woken when there is room.
/// End:      close_lane() forgets a lane and drops what it holds; fail() ends it on both sides at once.
/// Threads:  one consumer and one producer thread; every call is safe from both.
/// Source:   docs/life_of_a_transfer.md
class ChunkChannel {
 public:
  /// `small`: the whole image is one chunk, and goes ahead of others. At most kSmallInARowMax while `bulk` waits.
  enum class Class { small, bulk };
  static constexpr int kSmallInARowMax = 16;

  explicit ChunkChannel(std::uint32_t capacity);
  ChunkChannel(const ChunkChannel&) = delete;
  ChunkChannel& operator=(const ChunkChannel&) = delete;

  /// Called, without the lock, whenever the other side may find something new. Before the threads start.
  void set_wakers(std::function<void()> consumer, std::function<void()> producer);

  // The consumer's side.
  /// `transfer`: the id that log lines of the lane carry.
  [[nodiscard]] LaneId open_lane(std::string transfer = {});
  void set_class(LaneId lane, Class value);
  void order(LaneId lane, std::uint64_t index);
  /// Ordered and not popped yet.
  [[nodiscard]] std::size_t on_the_way(LaneId lane) const;
  [[nodiscard]] std::optional<Chunk> pop(bool is_small_only = false);
  /// Forgets orders and chunks of the lane, also those in the producer's hands; it can be ordered from anew.
  void reset_lane(LaneId lane);
  void close_lane(LaneId lane);
  /// A failed lane stays until it is closed, for retries().
  [[nodiscard]] std::vector<std::pair<LaneId, Error>> take_failures();
  /// Of the registry, on the way to the lane's image.
  [[nodiscard]] std::uint32_t retries(LaneId lane) const;

  // The producer's side.
  struct Order {
    std::uint64_t index = 0;
    std::uint64_t epoch = 0;  ///< of the lane; an order from before reset_lane() is stale
  };
  struct NextOrder {
    bool is_closed = false;
    std::optional<Order> order;
  };
  /// Takes the oldest order of the lane, if there is one.
  [[nodiscard]] NextOrder next_order(LaneId lane);
  /// `none`: wait for the waker. `stale`: the order is void, take the next.
  enum class Place { reserved, none, stale };
  /// A place for the chunk of this order; a push() or the lane's end gives it back.
  [[nodiscard]] Place reserve(LaneId lane, Order order);
  /// Into the place that was reserved. Dropped when the order has become stale meanwhile.
  void push(Order order, Chunk chunk);
  void fail(LaneId lane, Error error);
  [[nodiscard]] std::string transfer_of(LaneId lane) const;
  void set_retries(LaneId lane, std::uint32_t retries);

  /// No room for a bulk chunk now.
  [[nodiscard]] bool is_full() const;
  /// Chunks and places reserved for chunks.
  [[nodiscard]] std::size_t size() const;

 private:
  struct Lane {
    Class lane_class = Class::bulk;
    std::uint64_t epoch = 0;
    std::deque<std::uint64_t> orders;
    std::deque<Chunk> chunks;
    std::size_t in_hand = 0;   ///< orders taken by the producer, not pushed yet
    std::size_t reserved = 0;  ///< of those, with a place
    std::uint64_t served_bytes = 0;
    std::string transfer;
    std::uint32_t retries = 0;
    bool has_failed = false;
  };
  using Lanes = std::map<LaneId, Lane>;

  [[nodiscard]] bool has_room(const Lane& lane) const;
  [[nodiscard]] Lanes::iterator pick(Class wanted);
  void drop_chunks(Lane& lane);

  const std::size_t capacity_;
  const std::size_t reserved_for_small_;
  std::function<void()> wake_consumer_, wake_producer_;

  mutable std::mutex mutex_;
  Lanes lanes_;
  std::vector<std::pair<LaneId, Error>> failures_;
  LaneId next_lane_ = 1;
  std::size_t taken_ = 0;  ///< places with a chunk or reserved for one
  int small_in_a_row_ = 0;
  std::uint64_t served_floor_ = 0;  ///< where a lane that joins begins, so that it neither waits nor catches up
};

}  // namespace propeller::stream
