#include "stream/chunk_channel.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace propeller::stream {

ChunkChannel::ChunkChannel(std::uint32_t capacity) : capacity_(capacity), reserved_for_small_(capacity > 1 ? 1 : 0) {
  ASSERT(capacity > 0);
}

void ChunkChannel::set_wakers(std::function<void()> consumer, std::function<void()> producer) {
  wake_consumer_ = std::move(consumer);
  wake_producer_ = std::move(producer);
}

LaneId ChunkChannel::open_lane(std::string transfer) {
  const std::lock_guard lock(mutex_);
  const LaneId id = next_lane_++;
  lanes_[id].served_bytes = served_floor_;
  lanes_[id].transfer = std::move(transfer);
  return id;
}

std::string ChunkChannel::transfer_of(LaneId lane) const {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? std::string() : found->second.transfer;
}

void ChunkChannel::set_retries(LaneId lane, std::uint32_t retries) {
  const std::lock_guard lock(mutex_);
  if (const auto found = lanes_.find(lane); found != lanes_.end()) found->second.retries = retries;
}

std::uint32_t ChunkChannel::retries(LaneId lane) const {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? 0 : found->second.retries;
}

void ChunkChannel::set_class(LaneId lane, Class value) {
  const std::lock_guard lock(mutex_);
  if (const auto found = lanes_.find(lane); found != lanes_.end()) found->second.lane_class = value;
}

void ChunkChannel::order(LaneId lane, std::uint64_t index) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = lanes_.find(lane);
    ASSERT(found != lanes_.end());
    found->second.orders.push_back(index);
  }
  wake_producer_();
}

std::size_t ChunkChannel::on_the_way(LaneId lane) const {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return 0;
  return found->second.orders.size() + found->second.in_hand + found->second.chunks.size();
}

ChunkChannel::Lanes::iterator ChunkChannel::pick(Class wanted) {
  auto best = lanes_.end();
  for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
    if (lane->second.chunks.empty() || lane->second.lane_class != wanted) continue;
    if (best == lanes_.end() || lane->second.served_bytes < best->second.served_bytes) best = lane;
  }
  return best;
}

std::optional<Chunk> ChunkChannel::pop(bool is_small_only) {
  std::optional<Chunk> chunk;
  {
    const std::lock_guard lock(mutex_);
    if (taken_ == 0) return std::nullopt;
    auto lane = pick(Class::small);
    if (!is_small_only && (lane == lanes_.end() || small_in_a_row_ >= kSmallInARowMax)) {
      if (const auto bulk = pick(Class::bulk); bulk != lanes_.end()) lane = bulk;
    }
    if (lane == lanes_.end()) return std::nullopt;
    auto& from = lane->second;
    small_in_a_row_ = from.lane_class == Class::small ? small_in_a_row_ + 1 : 0;
    chunk = std::move(from.chunks.front());
    from.chunks.pop_front();
    --taken_;
    from.served_bytes = std::max(from.served_bytes, served_floor_) + chunk->size;
    // The least served lane that still has something to send is where the next one may begin.
    if (from.lane_class == Class::bulk) served_floor_ = std::max(served_floor_, from.served_bytes - chunk->size);
  }
  wake_producer_();
  return chunk;
}

void ChunkChannel::drop_chunks(Lane& lane) {
  taken_ -= lane.chunks.size() + lane.reserved;
  lane.reserved = 0;
  lane.chunks.clear();
  lane.orders.clear();
  lane.in_hand = 0;
  ++lane.epoch;
}

void ChunkChannel::reset_lane(LaneId lane) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = lanes_.find(lane); found != lanes_.end()) drop_chunks(found->second);
  }
  wake_producer_();
}

void ChunkChannel::close_lane(LaneId lane) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = lanes_.find(lane);
    if (found == lanes_.end()) return;
    drop_chunks(found->second);
    lanes_.erase(found);
  }
  wake_producer_();
}

std::vector<std::pair<LaneId, Error>> ChunkChannel::take_failures() {
  const std::lock_guard lock(mutex_);
  return std::exchange(failures_, {});
}

ChunkChannel::NextOrder ChunkChannel::next_order(LaneId lane) {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  if (found == lanes_.end() || found->second.has_failed) return {.is_closed = true, .order = std::nullopt};
  auto& from = found->second;
  if (from.orders.empty()) return {};
  const Order order{from.orders.front(), from.epoch};
  from.orders.pop_front();
  ++from.in_hand;
  return {.is_closed = false, .order = order};
}

bool ChunkChannel::has_room(const Lane& lane) const {
  if (lane.lane_class == Class::small) return taken_ < capacity_;
  const std::size_t for_bulk = capacity_ - reserved_for_small_;
  if (taken_ >= for_bulk) return false;
  // Lanes that compete share the room, so that one whose bytes come from disk does not take it all.
  const auto competing = static_cast<std::size_t>(std::ranges::count_if(lanes_, [](const auto& each) {
    return each.second.lane_class == Class::bulk && (each.second.in_hand > 0 || !each.second.chunks.empty());
  }));
  return lane.chunks.size() + lane.reserved <
         std::max<std::size_t>(1, (for_bulk + competing - 1) / std::max<std::size_t>(1, competing));
}

ChunkChannel::Place ChunkChannel::reserve(LaneId lane, Order order) {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(lane);
  if (found == lanes_.end() || found->second.epoch != order.epoch) return Place::stale;
  if (!has_room(found->second)) return Place::none;
  ++found->second.reserved;
  ++taken_;
  return Place::reserved;
}

void ChunkChannel::push(Order order, Chunk chunk) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = lanes_.find(chunk.lane);
    if (found == lanes_.end() || found->second.epoch != order.epoch) return;
    auto& lane = found->second;
    ASSERT(lane.reserved > 0);
    --lane.reserved;
    --lane.in_hand;
    lane.chunks.push_back(std::move(chunk));
  }
  wake_consumer_();
}

void ChunkChannel::fail(LaneId lane, Error error) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = lanes_.find(lane);
    if (found == lanes_.end()) return;
    if (found->second.has_failed) return;
    drop_chunks(found->second);
    found->second.has_failed = true;
    failures_.emplace_back(lane, std::move(error));
  }
  wake_consumer_();
}

bool ChunkChannel::is_full() const {
  const std::lock_guard lock(mutex_);
  return taken_ + reserved_for_small_ >= capacity_;
}

std::size_t ChunkChannel::size() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

}  // namespace propeller::stream
