#include "async/task_group.hpp"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace propeller::async {
namespace {

using namespace std::chrono_literals;

TEST(TaskGroup, CancelUnwindsEveryTaskAndJoinReturns) {
  asio::io_context context(1);
  TaskGroup group(context.get_executor());
  Event never(context.get_executor());
  int unwound = 0;
  struct Guard {
    int& count;
    ~Guard() { ++count; }
  };
  const auto waits = [&]() -> awaitable<void> {
    Guard guard{unwound};
    co_await never.wait();
  };
  const auto sleeps = [&]() -> awaitable<void> {
    Guard guard{unwound};
    co_await sleep_for(1h);
  };
  bool joined = false;
  const auto main = [&]() -> awaitable<void> {
    group.spawn(waits());
    group.spawn(sleeps());
    co_await sleep_for(1ms);
    group.cancel();
    co_await group.join();
    joined = true;
  };
  asio::co_spawn(context, main(), asio::detached);
  context.run();
  EXPECT_TRUE(joined);
  EXPECT_EQ(unwound, 2);
  EXPECT_EQ(group.size(), 0u);
}

TEST(Event, WakesEveryWaiterOnce) {
  asio::io_context context(1);
  Event event(context.get_executor());
  int woken = 0;
  const auto waiter = [&]() -> awaitable<void> {
    co_await event.wait();
    ++woken;
  };
  asio::co_spawn(context, waiter(), asio::detached);
  asio::co_spawn(context, waiter(), asio::detached);
  asio::post(context, [&] { event.notify_all(); });
  context.run();
  EXPECT_EQ(woken, 2);
}

}  // namespace
}  // namespace propeller::async
