#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "async/core.hpp"
#include "async/event.hpp"
#include "base/error.hpp"
#include "tier/probe.hpp"
#include "tier/s3_client.hpp"

namespace propeller::tier {

/// Whether the tier is asked at all. One failure takes it out, so that one client at most waits for it in vain; it is
/// back when it answers a request of our own, which is sent every so often. It begins out.
///
/// Errors:   an outage is one line in the log, and so is its end.
/// Threads:  one core; is_up() and reason() any.
/// Lifetime: what it is made of outlives it.
class Reach {
 public:
  Reach(const async::asio::any_io_executor& executor, S3Client& client, std::string probe_name, Probe& probe,
        std::chrono::milliseconds rest)
      : client_(client), probe_name_(std::move(probe_name)), probe_(probe), rest_(rest), failed_(executor) {}

  [[nodiscard]] bool is_up() const { return is_up_.load(std::memory_order_relaxed); }
  /// Why it is out; empty: it is not, or has not been asked yet.
  [[nodiscard]] std::string reason() const;

  void fail(const Error& error);
  /// Brings it back. Until it is cancelled.
  async::awaitable<void> watch();

 private:
  void set_up();
  void set_out(const Error& error);

  S3Client& client_;
  const std::string probe_name_;
  Probe& probe_;
  const std::chrono::milliseconds rest_;
  async::Event failed_;
  std::atomic<bool> is_up_ = false;
  mutable std::mutex mutex_;
  std::string reason_;
};

}  // namespace propeller::tier
