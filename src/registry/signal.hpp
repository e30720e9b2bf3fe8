#pragma once

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>

#include "async/core.hpp"

namespace propeller::registry {

/// Wakes the one coroutine that waits for "something changed", or lets its deadline pass.
///
/// Order:    test the condition first, then wait, with no co_await between the two; test again afterwards.
/// Threads:  one core.
class Signal {
 public:
  explicit Signal(const async::asio::any_io_executor& executor) : timer_(executor) {}

  /// Resumes through the executor, never from within this call: safe in a callback of libcurl.
  void notify() { timer_.cancel(); }

  /// False when `deadline` passed first. Cancellation unwinds (throws operation_aborted).
  async::awaitable<bool> wait_until(std::chrono::steady_clock::time_point deadline) {
    boost::system::error_code error;
    timer_.expires_at(deadline);
    co_await timer_.async_wait(async::asio::redirect_error(async::asio::use_awaitable, error));
    const auto state = co_await async::asio::this_coro::cancellation_state;
    if (state.cancelled() != async::asio::cancellation_type::none) {
      throw boost::system::system_error(async::asio::error::operation_aborted);
    }
    co_return static_cast<bool>(error);
  }

 private:
  async::asio::steady_timer timer_;
};

}  // namespace propeller::registry
