#include "forward/token_bucket.hpp"

#include <algorithm>

namespace propeller::forward {

using std::chrono::nanoseconds;

namespace {

nanoseconds time_for(std::uint64_t bytes, std::uint64_t rate) {
  return nanoseconds(static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * 1e9));
}

}  // namespace

nanoseconds TokenBucket::take(std::uint64_t bytes, base::Clock::time_point now) {
  if (rate_ == 0) return nanoseconds(0);
  const auto burst = time_for(std::max(rate_ / 4, kBurstBytesMin), rate_);
  if (!is_started_ || paid_until_ < now - burst) paid_until_ = now - burst;
  is_started_ = true;
  paid_until_ += time_for(bytes, rate_);
  return std::max(nanoseconds(0), nanoseconds(paid_until_ - now));
}

BandwidthLimiter::BandwidthLimiter(std::uint64_t total_bytes_per_second, std::uint64_t client_bytes_per_second)
    : client_rate_(client_bytes_per_second), total_(total_bytes_per_second) {}

nanoseconds BandwidthLimiter::take(const std::string& client, std::uint64_t bytes, base::Clock::time_point now) {
  if (!is_limited()) return nanoseconds(0);
  const std::lock_guard lock(mutex_);
  const auto wait = total_.take(bytes, now);
  if (client_rate_ == 0) return wait;
  const auto found = index_.find(client);
  if (found != index_.end()) {
    clients_.splice(clients_.end(), clients_, found->second);
  } else {
    if (clients_.size() >= kClientsMax) {
      index_.erase(clients_.front().name);
      clients_.pop_front();
    }
    clients_.push_back({client, TokenBucket(client_rate_)});
    index_[client] = std::prev(clients_.end());
  }
  return std::max(wait, clients_.back().bucket.take(bytes, now));
}

std::size_t BandwidthLimiter::clients() {
  const std::lock_guard lock(mutex_);
  return clients_.size();
}

}  // namespace propeller::forward
