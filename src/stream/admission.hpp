#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace propeller::stream {

using std::chrono::steady_clock;

/// Deployed clients give up 60 s after they asked; what takes longer was sent for nothing (PROTOCOL 1.4).
inline constexpr std::chrono::seconds kClientPatience{55};

/// How fast the broker takes what we send, from what it acknowledged while there was something to send.
class RateEstimate {
 public:
  /// Counts image bytes that were acknowledged.
  void delivered(std::uint64_t bytes) { bytes_ += bytes; }
  /// Closes a period. `is_busy`: something was being sent all the while; idle periods say nothing about the rate.
  void tick(steady_clock::time_point now, bool is_busy);
  /// Bytes per second; none before the first busy period.
  [[nodiscard]] std::optional<double> bytes_per_second() const { return rate_; }

 private:
  std::uint64_t bytes_ = 0;
  std::optional<steady_clock::time_point> since_;
  std::optional<double> rate_;
};

/// May another broadcast begin? Only when all that is being sent, and this one, end within the patience of the
/// clients that wait for it, at the rate measured. With nothing being sent the answer is yes.
struct Load {
  std::uint64_t active_remaining_bytes = 0;  ///< of the broadcasts in progress
  std::uint64_t active_count = 0;
};
[[nodiscard]] bool may_start(const Load& load, std::uint64_t size_bytes, std::optional<double> bytes_per_second);

/// Spreads a large set over time: brokers queue a bounded number of messages for one slow subscriber and drop the
/// rest whatever the QoS (PROTOCOL 1.4, consequence 6; Mosquitto: 1000). A subscriber that could make the clients'
/// deadline at all drains at least total/55 s, so after a first burst the rest goes out at total/45 s: its queue
/// never holds much more than the burst.
class Pacing {
 public:
  static constexpr std::uint64_t kBurstMessages = 500;
  static constexpr std::chrono::seconds kSpread{45};

  /// `messages` on their way to one subscriber at the same time: this set and the others of its channel.
  void start(steady_clock::time_point now, std::uint64_t messages);
  [[nodiscard]] bool may_send(steady_clock::time_point now) const;
  void sent() { ++sent_; }

 private:
  steady_clock::time_point begin_{};
  std::uint64_t messages_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace propeller::stream
