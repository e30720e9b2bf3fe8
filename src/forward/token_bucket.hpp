#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.hpp"

namespace propeller::forward {

/// Bytes that may flow now: refills at `bytes_per_second`, holds a quarter of a second's worth (kBurstBytesMin at
/// least, so that a slow limit still moves whole reads). 0 is no limit.
///
/// A taker gets what it asks for and the bucket goes into debt; it waits before the next piece. So nothing is ever
/// split, and the mean is kept however large the pieces are.
/// Threads: one at a time.
class TokenBucket {
 public:
  static constexpr std::uint64_t kBurstBytesMin = 16 * 1024;

  explicit TokenBucket(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  /// Takes them, and says how long to wait before the next are taken.
  [[nodiscard]] std::chrono::nanoseconds take(std::uint64_t bytes, base::Clock::time_point now);
  [[nodiscard]] std::uint64_t rate() const { return rate_; }

 private:
  std::uint64_t rate_;
  /// When the debt is paid; the past means that there is something to spend.
  base::Clock::time_point paid_until_{};
  bool is_started_ = false;
};

/// Bandwidth limits of all clients together and of each by address.
///
/// Bound:   kClientsMax clients; the one that was quiet longest is forgotten, and begins with a full bucket again.
/// Threads: any.
class BandwidthLimiter {
 public:
  static constexpr std::size_t kClientsMax = 65'536;

  BandwidthLimiter(std::uint64_t total_bytes_per_second, std::uint64_t client_bytes_per_second);

  /// How long the caller waits before it moves on, after `bytes` have gone one way.
  [[nodiscard]] std::chrono::nanoseconds take(const std::string& client, std::uint64_t bytes,
                                              base::Clock::time_point now);
  [[nodiscard]] bool is_limited() const { return total_.rate() != 0 || client_rate_ != 0; }
  [[nodiscard]] std::size_t clients();

 private:
  struct Client {
    std::string name;
    TokenBucket bucket;
  };

  std::uint64_t client_rate_;
  std::mutex mutex_;
  TokenBucket total_;
  std::list<Client> clients_;  ///< quiet longest first
  std::map<std::string, std::list<Client>::iterator> index_;
};

}  // namespace propeller::forward
