#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>

#include "async/core.hpp"
#include "async/event.hpp"
#include "base/error.hpp"
#include "tier/probe.hpp"
#include "tier/s3_client.hpp"

namespace propeller::tier {

inline constexpr std::chrono::milliseconds kRestMax{5 * 60 * 1'000};
/// How long the tier is left alone after so many failures, from 1: `first`, and twice as long each time. Pure.
[[nodiscard]] std::chrono::milliseconds rest_after(std::size_t failures, std::chrono::milliseconds first);

/// Whether the tier is asked at all. One failure takes it out, so that one client at most waits for it in vain; it is
/// back when it answers a request of our own, which is sent every so often. It begins out.
///
/// Order:    one that answers us and fails clients is left alone for longer each time, until it has been of use to one.
/// Errors:   an outage is one line in the log, and so is its end.
/// Threads:  one core; is_up() and reason() any.
/// Lifetime: what it is made of outlives it.
class Reach {
 public:
  using Sleep = std::function<async::awaitable<void>(std::chrono::steady_clock::duration)>;

  /// `rest` is the first one, see rest_after().
  Reach(const async::asio::any_io_executor& executor, S3Client& client, std::string probe_name, Probe& probe,
        std::chrono::milliseconds rest, Sleep sleep)
      : client_(client),
        probe_name_(std::move(probe_name)),
        probe_(probe),
        rest_(rest),
        sleep_(std::move(sleep)),
        failed_(executor) {}

  [[nodiscard]] bool is_up() const { return is_up_.load(std::memory_order_relaxed); }
  /// Why it is out; empty: it is not, or has not been asked yet.
  [[nodiscard]] std::string reason() const;

  /// It has failed a client.
  void fail(const Error& error);
  /// It has spared a client the way to the registry.
  void succeed() { failures_ = 0; }
  /// Brings it back. Until it is cancelled.
  async::awaitable<void> watch();

 private:
  void set_up();
  void set_out(const Error& error);

  S3Client& client_;
  const std::string probe_name_;
  Probe& probe_;
  const std::chrono::milliseconds rest_;
  const Sleep sleep_;
  async::Event failed_;
  std::size_t failures_ = 0;  ///< outages that clients met, since the last success
  std::atomic<bool> is_up_ = false;
  mutable std::mutex mutex_;
  std::string reason_;
};

}  // namespace propeller::tier
