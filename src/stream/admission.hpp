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

/// The broadcasts in progress, which share the rate.
struct Load {
  std::uint64_t remaining_bytes = 0;
  std::uint64_t count = 0;
  steady_clock::duration patience = kClientPatience;  ///< of the client that will give up first
};
/// May another broadcast of `size_bytes`, asked for `waited` ago, begin? Only when all that is being sent, and this
/// one, end while their clients still wait, at the rate measured; before anything was measured, at a slow link's.
/// With nothing being sent the answer is yes.
[[nodiscard]] bool may_start(const Load& load, std::uint64_t size_bytes, steady_clock::duration waited,
                             std::optional<double> bytes_per_second);

/// Spreads the sets of one channel over time: brokers queue a bounded number of messages for one slow subscriber and
/// drop the rest whatever the QoS (PROTOCOL 1.4, consequence 6; Mosquitto: 1000). A subscriber that can make the
/// clients' deadline at all drains a set at total/55 s; what goes out at that rate after a first burst never makes its
/// queue longer than the burst.
class Pacing {
 public:
  static constexpr std::uint64_t kBurstMessages = 850;

  /// A set of so many messages begins, or one in progress grows by them.
  void begin(steady_clock::time_point now, std::uint64_t messages);
  /// They are over, sent or not. With the last of them the channel has its burst back.
  void end(std::uint64_t messages);
  [[nodiscard]] bool may_send(steady_clock::time_point now) const { return allowance(now) >= 1; }
  void sent(steady_clock::time_point now);

 private:
  [[nodiscard]] double allowance(steady_clock::time_point now) const;

  std::uint64_t messages_ = 0;  ///< of the sets in progress
  double allowance_ = 0;        ///< messages, at `counted_`; below 0 when small images went ahead
  steady_clock::time_point counted_{};
};

}  // namespace propeller::stream
