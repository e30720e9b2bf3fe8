#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "async/core.hpp"

namespace propeller::async {

/// Wakes the coroutines that wait for "something changed"; they look again for themselves.
///
/// Order:    notify_all() wakes everyone who waits now; a wait that begins later waits for the next one. So test
///           the condition first, and wait in a loop, with no co_await between the two.
/// Threads:  one core.
class Event {
 public:
  explicit Event(const asio::any_io_executor& executor) : timer_(executor, asio::steady_timer::time_point::max()) {}

  void notify_all() { timer_.cancel(); }

  /// Returns after the next notify_all(). Cancellation unwinds as everywhere (throws, caught by TaskGroup).
  awaitable<void> wait() {
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_await throw_if_cancelled();
  }

 private:
  static awaitable<void> throw_if_cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      throw boost::system::system_error(asio::error::operation_aborted);
  }
  asio::steady_timer timer_;
};

/// Suspends for `duration`. Cancellation unwinds.
inline awaitable<void> sleep_for(std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace propeller::async
