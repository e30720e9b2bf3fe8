#include "stream/admission.hpp"

#include <algorithm>

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

bool may_start(const Load& load, std::uint64_t size_bytes, steady_clock::duration waited,
               std::optional<double> bytes_per_second) {
  constexpr double kRateAssumed = 1e6;
  if (load.count == 0) return true;
  const double seconds =
      static_cast<double>(load.remaining_bytes + size_bytes) / bytes_per_second.value_or(kRateAssumed);
  const std::chrono::duration<double> patience =
      std::min<steady_clock::duration>(load.patience, kClientPatience - waited);
  return seconds <= patience.count();
}

void Pacing::begin(steady_clock::time_point now, std::uint64_t messages) {
  allowance_ = messages_ == 0 ? static_cast<double>(kBurstMessages) : allowance(now);
  counted_ = now;
  messages_ += messages;
}

void Pacing::end(std::uint64_t messages) { messages_ -= std::min(messages, messages_); }

void Pacing::sent(steady_clock::time_point now) {
  allowance_ = allowance(now) - 1;
  counted_ = now;
}

double Pacing::allowance(steady_clock::time_point now) const {
  const double rate = static_cast<double>(messages_) / std::chrono::duration<double>(kClientPatience).count();
  const double grown = allowance_ + std::chrono::duration<double>(now - counted_).count() * rate;
  return std::min(grown, static_cast<double>(kBurstMessages));
}

}  // namespace propeller::stream
