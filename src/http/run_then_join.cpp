#include "http/run_then_join.hpp"

#include <boost/asio/this_coro.hpp>
#include <exception>

namespace propeller::http {

async::awaitable<void> run_then_join(async::awaitable<void> work, async::TaskGroup& tasks) {
  std::exception_ptr unwinding;
  try {
    co_await std::move(work);
  } catch (...) {
    // Nothing can be awaited in here.
    unwinding = std::current_exception();
  }
  if (tasks.size() > 0) {
    co_await async::asio::this_coro::reset_cancellation_state();
    tasks.cancel();
    co_await tasks.join();
  }
  if (unwinding) std::rethrow_exception(unwinding);
}

}  // namespace propeller::http
