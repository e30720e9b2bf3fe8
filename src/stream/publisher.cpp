#include "stream/publisher.hpp"

#include <algorithm>

namespace propeller::stream {

namespace {
std::size_t bytes_of(const mqtt::Outgoing& message) { return message.topic.size() + message.payload.size(); }
}  // namespace

void Publisher::ready(const mqtt::BrokerLimits& limits) {
  is_ready_ = true;
  messages_max_ = configured_max_;
  if (limits.receive_max) messages_max_ = std::clamp<std::uint32_t>(configured_max_, 1, *limits.receive_max);
}

bool Publisher::has_room(std::size_t bytes_max) const {
  const std::size_t for_bulk = messages_max_ > 1 ? messages_max_ - 1 : 1;
  return has_place() && chunks_in_flight_ < for_bulk && (chunks_in_flight_ == 0 || chunk_bytes_in_flight_ < bytes_max);
}

bool Publisher::queue_control(mqtt::Outgoing message) {
  if (control_.size() >= kControlQueuedMax || control_bytes_ + bytes_of(message) > kControlBytesMax) {
    ++dropped_;
    return false;
  }
  control_bytes_ += bytes_of(message);
  control_.push_back({.message = std::move(message)});
  return true;
}

void Publisher::retract(LaneId lane) {
  std::erase_if(manifests_, [&](const Control& each) { return each.announces == lane; });
}

bool Publisher::send_control(Control& control) {
  control.message.token = next_token_++;
  const auto [entry, is_new] = in_flight_.emplace(control.message.token, InFlight{.sent = {}, .control = control});
  const auto sent = send_(std::move(control.message));
  if (sent) {
    ++control_in_flight_;
    if (control.announces != 0) announced_.push_back({.lane = control.announces, .refused = {}});
    return true;
  }
  control.message = std::move(entry->second.control.message);
  in_flight_.erase(entry);
  if (sent.error().code == Code::disconnected) return false;
  if (control.announces != 0) {
    announced_.push_back({.lane = control.announces, .refused = sent.error()});
  } else {
    ++dropped_;
  }
  return true;
}

void Publisher::flush_control() {
  while (has_place() && !manifests_.empty()) {
    if (!send_control(manifests_.front())) return;
    manifests_.pop_front();
  }
  while (has_place() && !control_.empty() && control_in_flight_ < kControlInFlightMax) {
    const auto bytes = bytes_of(control_.front().message);
    if (!send_control(control_.front())) return;
    control_bytes_ -= bytes;
    control_.pop_front();
  }
}

Result<void> Publisher::send_chunk(mqtt::Outgoing message, Sent sent) {
  message.token = next_token_++;
  const auto token = message.token;
  if (auto taken = send_(std::move(message)); !taken) return taken;
  in_flight_.emplace(token, InFlight{.sent = sent, .control = {}});
  ++chunks_in_flight_;
  chunk_bytes_in_flight_ += sent.wire_bytes;
  return {};
}

std::optional<Publisher::InFlight> Publisher::take(std::uint64_t token) {
  const auto found = in_flight_.find(token);
  if (found == in_flight_.end()) return std::nullopt;
  auto entry = std::move(found->second);
  in_flight_.erase(found);
  if (entry.sent.lane == 0) {
    --control_in_flight_;
  } else {
    --chunks_in_flight_;
    chunk_bytes_in_flight_ -= entry.sent.wire_bytes;
  }
  return entry;
}

std::optional<Publisher::Sent> Publisher::delivered(std::uint64_t token) {
  const auto entry = take(token);
  if (!entry || entry->sent.lane == 0) return std::nullopt;
  return entry->sent;
}

std::optional<Publisher::Lost> Publisher::undelivered(std::uint64_t token) {
  auto entry = take(token);
  if (!entry) return std::nullopt;
  if (entry->sent.lane != 0) return Lost{.lane = entry->sent.lane};
  auto& control = entry->control;
  if (control.announces != 0) return Lost{.lane = control.announces, .is_manifest = true};
  const auto bytes = bytes_of(control.message);
  if (++control.losses >= kLossesMax || control_.size() >= kControlQueuedMax ||
      control_bytes_ + bytes > kControlBytesMax) {
    ++dropped_;
    return std::nullopt;
  }
  // Reports come in any order; those that were never sent have no token yet.
  const auto place = std::ranges::find_if(
      control_, [&](const Control& each) { return each.message.token == 0 || each.message.token > token; });
  control_bytes_ += bytes;
  control_.insert(place, std::move(control));
  return std::nullopt;
}

}  // namespace propeller::stream
