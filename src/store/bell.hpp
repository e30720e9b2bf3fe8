#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "async/core.hpp"

namespace propeller::store {

/// Wakes one coroutine from any thread.
///
/// Order:    the coroutine tests its condition under the lock that guards it, notes there that it waits, and waits with
///           no co_await between. A ring reaches its core as a posted handler, so after the wait has begun.
/// Threads:  ring() from any, wait() on the executor's core.
class Bell : public std::enable_shared_from_this<Bell> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit Bell(boost::asio::any_io_executor executor);

  void ring();
  /// Until ring() or `deadline`. Cancellation unwinds.
  [[nodiscard]] async::awaitable<void> wait(TimePoint deadline = TimePoint::max());

 private:
  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
};

}  // namespace propeller::store
