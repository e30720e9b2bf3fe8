#include "stream/publisher.hpp"

#include <algorithm>

namespace propeller::stream {

void Publisher::ready(const mqtt::BrokerLimits& limits) {
  is_ready_ = true;
  messages_max_ = configured_max_;
  if (limits.receive_max) messages_max_ = std::clamp<std::uint32_t>(configured_max_, 1, *limits.receive_max);
}

bool Publisher::has_room(std::size_t bytes_max) const {
  const std::size_t for_bulk = messages_max_ > 1 ? messages_max_ - 1 : 1;
  return is_ready_ && chunks_in_flight_ < for_bulk && (chunks_in_flight_ == 0 || chunk_bytes_in_flight_ < bytes_max);
}

bool Publisher::queue_control(mqtt::Outgoing message) {
  if (control_.size() >= kControlQueuedMax) return false;
  control_.push_back(std::move(message));
  return true;
}

void Publisher::flush_control() {
  while (is_ready_ && !control_.empty() && control_in_flight_ < kControlInFlightMax) {
    auto& message = control_.front();
    message.token = next_token_++;
    const auto [entry, is_new] = in_flight_.emplace(message.token, InFlight{.sent = {}, .control = message});
    if (!send_(std::move(message))) {
      control_.front() = std::move(entry->second.control);
      in_flight_.erase(entry);
      return;
    }
    control_.pop_front();
    ++control_in_flight_;
  }
}

void Publisher::send_control_now(mqtt::Outgoing message) {
  message.token = next_token_++;
  const auto token = message.token;
  in_flight_.emplace(token, InFlight{.sent = {}, .control = message});
  ++control_in_flight_;
  if (!is_ready_ || !send_(std::move(message))) undelivered(token);
}

bool Publisher::send_chunk(mqtt::Outgoing message, Sent sent) {
  message.token = next_token_++;
  const auto token = message.token;
  if (!send_(std::move(message))) return false;
  in_flight_.emplace(token, InFlight{.sent = sent, .control = {}});
  ++chunks_in_flight_;
  chunk_bytes_in_flight_ += sent.wire_bytes;
  return true;
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

void Publisher::undelivered(std::uint64_t token) {
  auto entry = take(token);
  if (!entry || entry->sent.lane != 0 || control_.size() >= kControlQueuedMax) return;
  // Reports come in any order; those that were never sent have no token yet.
  const auto place =
      std::ranges::find_if(control_, [&](const mqtt::Outgoing& each) { return each.token == 0 || each.token > token; });
  control_.insert(place, std::move(entry->control));
}

}  // namespace propeller::stream
