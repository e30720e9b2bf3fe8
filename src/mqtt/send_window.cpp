#include "mqtt/send_window.hpp"

#include <algorithm>

namespace propeller::mqtt {

namespace {

// Until something is measured: a fast link, so that a distant broker is not approached in small steps.
constexpr double kRateAssumed = 100e6;
constexpr double kRoundTripAssumed = 0.02;
constexpr double kGain = 2;
// A rate is believed for one to two of these.
constexpr std::chrono::seconds kPeakAge{5};

double seconds(std::chrono::steady_clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

double SendWindow::rate() const {
  const double measured = std::max(current_.bytes_per_second, previous_.bytes_per_second);
  return measured > 0 ? measured : kRateAssumed;
}

std::size_t SendWindow::bytes() const {
  const double product = kGain * rate() * round_trip_seconds_.value_or(kRoundTripAssumed);
  const std::size_t floor = std::min(kBytesMax, std::max(kBytesMin, 3 * largest_));
  return product >= static_cast<double>(kBytesMax) ? kBytesMax : std::max(floor, static_cast<std::size_t>(product));
}

void SendWindow::round_trip(std::chrono::steady_clock::duration time) {
  round_trip_seconds_ = std::min(seconds(time), round_trip_seconds_.value_or(seconds(time)));
}

SendWindow::Sent SendWindow::sent(std::size_t bytes, Time now) {
  const bool is_first = in_flight_ == 0;
  in_flight_ += bytes;
  largest_ = std::max(largest_, bytes);
  return {.bytes = bytes,
          .at = now,
          .delivered_before = delivered_,
          .counted_from = is_first ? now : delivered_at_,
          .is_window_used = in_flight_ >= this->bytes() / 2};
}

void SendWindow::taken(const Sent& message, Time now) {
  in_flight_ -= std::min(in_flight_, message.bytes);
  delivered_ += message.bytes;
  delivered_at_ = now;
  round_trip(now - message.at);
  const double elapsed = seconds(now - message.counted_from);
  if (!message.is_window_used || elapsed <= 0) return;
  if (now - current_.since > kPeakAge) {
    previous_ = now - current_.since > 2 * kPeakAge ? Peak{} : current_;
    current_ = {.since = now};
  }
  current_.bytes_per_second =
      std::max(current_.bytes_per_second, static_cast<double>(delivered_ - message.delivered_before) / elapsed);
}

}  // namespace propeller::mqtt
