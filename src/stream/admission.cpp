#include "stream/admission.hpp"

namespace propeller::stream {

void RateEstimate::tick(steady_clock::time_point now, bool is_busy) {
  constexpr double kNewWeight = 0.4;
  if (since_ && is_busy && now > *since_) {
    const double measured = static_cast<double>(bytes_) / std::chrono::duration<double>(now - *since_).count();
    rate_ = rate_ ? (1 - kNewWeight) * *rate_ + kNewWeight * measured : measured;
  }
  since_ = now;
  bytes_ = 0;
}

bool may_start(const Load& load, std::uint64_t size_bytes, std::optional<double> bytes_per_second) {
  if (load.active_count == 0 || !bytes_per_second) return true;
  const double seconds = static_cast<double>(load.active_remaining_bytes + size_bytes) / *bytes_per_second;
  return seconds <= static_cast<double>(kClientPatience.count());
}

void Pacing::start(steady_clock::time_point now, std::uint64_t messages) {
  begin_ = now;
  messages_ = messages;
  sent_ = 0;
}

bool Pacing::may_send(steady_clock::time_point now) const {
  if (sent_ < kBurstMessages || messages_ <= kBurstMessages) return true;
  const double share = std::chrono::duration<double>(now - begin_) / std::chrono::duration<double>(kSpread);
  return static_cast<double>(sent_ - kBurstMessages) < share * static_cast<double>(messages_ - kBurstMessages);
}

}  // namespace propeller::stream
