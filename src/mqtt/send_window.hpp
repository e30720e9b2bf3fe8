#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace propeller::mqtt {

/// How many unacknowledged bytes a connection carries well, from what it carried: twice the product of its rate and its
/// round trip. Fewer leave the link idle; more only queue in front of it, where a small module waits behind them and
/// a keep-alive may come too late. Pure, time comes as an argument.
///
/// Bound:  kBytesMin and three messages below, kBytesMax above.
/// Source: the model of BBR (Cardwell et al., ACM Queue 14/5, 2016), without its probing.
class SendWindow {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kBytesMin = std::size_t{2} * 1024 * 1024;
  static constexpr std::size_t kBytesMax = std::size_t{16} * 1024 * 1024;

  /// What is remembered with a message until its acknowledgement.
  struct Sent {
    std::size_t bytes = 0;
    Time at;
    std::uint64_t delivered_before = 0;
    Time counted_from;
    bool is_window_used = false;  ///< else the sender was the limit, and the rate says nothing about the connection
  };

  [[nodiscard]] std::size_t bytes() const;
  /// An exchange of small packets took so long.
  void round_trip(std::chrono::steady_clock::duration time);
  [[nodiscard]] Sent sent(std::size_t bytes, Time now);
  void taken(const Sent& message, Time now);

 private:
  struct Peak {
    Time since;
    double bytes_per_second = 0;
  };
  [[nodiscard]] double rate() const;

  std::size_t in_flight_ = 0;
  std::size_t largest_ = 0;
  std::uint64_t delivered_ = 0;
  Time delivered_at_;
  std::optional<double> round_trip_seconds_;
  Peak current_, previous_;
};

}  // namespace propeller::mqtt
