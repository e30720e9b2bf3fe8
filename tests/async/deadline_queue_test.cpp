#include "async/deadline_queue.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace propeller::async {
namespace {

using namespace std::chrono_literals;

class Alarm final : public Deadline {
 public:
  Alarm(asio::io_context& context, std::function<void(Alarm&)> rings)
      : Deadline(context.get_executor()), rings_(std::move(rings)) {}

 private:
  void expired(Clock::time_point) override { rings_(*this); }
  std::function<void(Alarm&)> rings_;
};

TEST(DeadlineQueue, RingsInTheOrderOfTimesAndNotWhenDisarmed) {
  asio::io_context context(1);
  std::vector<int> rung;
  Alarm first(context, [&](Alarm&) { rung.push_back(1); });
  Alarm second(context, [&](Alarm&) { rung.push_back(2); });
  Alarm third(context, [&](Alarm&) { rung.push_back(3); });
  const auto now = Deadline::Clock::now();
  second.arm_no_later_than(now + 10ms);
  third.arm_no_later_than(now + 15ms);
  first.arm_no_later_than(now + 5ms);
  third.disarm();
  first.arm_no_later_than(now + 1h);  // it is earlier already
  context.run();
  EXPECT_EQ(rung, (std::vector{1, 2}));
}

TEST(DeadlineQueue, ADeadlineMayArmItselfAnewOrGoWhileItRings) {
  asio::io_context context(1);
  int rings = 0;
  std::unique_ptr<Alarm> alarm;
  alarm = std::make_unique<Alarm>(context, [&](Alarm& self) {
    if (++rings < 3) return self.arm_no_later_than(Deadline::Clock::now() - 1ms);
    alarm.reset();
  });
  alarm->arm_no_later_than(Deadline::Clock::now());
  // Armed for the past: each ring is a turn of its own, or the loop would never look at its sockets.
  context.run_one_for(5s);
  EXPECT_EQ(rings, 1);
  context.run_for(5s);
  EXPECT_EQ(rings, 3);
  EXPECT_FALSE(alarm);
}

}  // namespace
}  // namespace propeller::async
