#include "mqtt/send_window.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace propeller::mqtt {
namespace {

using namespace std::chrono_literals;
using Time = SendWindow::Time;

constexpr std::size_t kMessage = 682'700;

/// A sender that keeps the window full over a link with a rate and a delay, for a while.
std::size_t window_after(SendWindow& window, double bytes_per_second, std::chrono::milliseconds delay,
                         std::chrono::seconds duration) {
  struct OnTheWay {
    SendWindow::Sent sent;
    Time arrives;
  };
  std::deque<OnTheWay> link;
  std::size_t in_flight = 0;
  const Time start{1h};
  Time now = start, link_free = start;
  while (now < start + duration) {
    while (in_flight == 0 || in_flight + kMessage <= window.bytes()) {
      link_free = std::max(link_free, now) + std::chrono::duration_cast<Time::duration>(
                                                 std::chrono::duration<double>(kMessage / bytes_per_second));
      link.push_back({window.sent(kMessage, now), link_free + delay});
      in_flight += kMessage;
    }
    now = link.front().arrives;
    window.taken(link.front().sent, now);
    link.pop_front();
    in_flight -= kMessage;
  }
  return window.bytes();
}

TEST(SendWindow, ADistantBrokerGetsALargeWindowFromTheStart) {
  SendWindow window;
  window.round_trip(300ms);
  EXPECT_EQ(window.bytes(), SendWindow::kBytesMax);
}

TEST(SendWindow, ANearBrokerGetsThreeMessagesAndNoMore) {
  SendWindow window;
  window.round_trip(500us);
  EXPECT_LE(window_after(window, 1e9, 0ms, 2s), 2 * SendWindow::kBytesMin);
  EXPECT_GE(window.bytes(), 3 * kMessage);
}

// Its own queue must not pass for a long link, or a small module waits behind 16 MB.
TEST(SendWindow, ASlowLinkKeepsTheSmallWindowThoughItsQueueGrowsTheRoundTrip) {
  SendWindow window;
  window.round_trip(2ms);
  EXPECT_EQ(window_after(window, 10e6, 1ms, 20s), SendWindow::kBytesMin);
}

TEST(SendWindow, AFastAndDistantLinkIsFilled) {
  SendWindow window;
  window.round_trip(100ms);
  // 100 MB/s x 100 ms
  EXPECT_GE(window_after(window, 100e6, 100ms, 20s), std::size_t{10'000'000});
}

TEST(SendWindow, ASlowAndDistantLinkIsFilledAndNotFlooded) {
  SendWindow window;
  window.round_trip(300ms);
  const auto bytes = window_after(window, 10e6, 300ms, 20s);
  EXPECT_GE(bytes, std::size_t{3'000'000});
  EXPECT_LE(bytes, std::size_t{10'000'000});
}

TEST(SendWindow, AFewSmallMessagesSayNothingAboutTheRate) {
  SendWindow window;
  window.round_trip(300ms);
  for (int i = 0; i < 100; ++i) window.taken(window.sent(100, Time{i * 1s}), Time{i * 1s + 300ms});
  EXPECT_EQ(window.bytes(), SendWindow::kBytesMax);
}

TEST(SendWindow, LargeMessagesStillGoThreeAtATimeWithinTheBound) {
  SendWindow window;
  window.round_trip(1ms);
  window.taken(window.sent(4'000'000, Time{1s}), Time{1s + 4ms});
  EXPECT_EQ(window.bytes(), std::size_t{12'000'000});
  window.taken(window.sent(40'000'000, Time{2s}), Time{3s});
  EXPECT_EQ(window.bytes(), SendWindow::kBytesMax);
}

}  // namespace
}  // namespace propeller::mqtt
