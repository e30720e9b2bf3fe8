#include "stream/admission.hpp"

#include <gtest/gtest.h>

#include "base/units.hpp"

namespace propeller::stream {
namespace {

using namespace std::chrono_literals;
constexpr steady_clock::time_point kStart{1h};

TEST(Admission, TheFirstBroadcastAlwaysStarts) { EXPECT_TRUE(may_start({}, base::kGiB, 1000.0)); }

TEST(Admission, WithoutAMeasuredRateNobodyWaits) {
  EXPECT_TRUE(may_start({.active_remaining_bytes = base::kGiB, .active_count = 3}, base::kGiB, std::nullopt));
}

TEST(Admission, NoMoreStartThanCanEndWithinTheClientsPatience) {
  const Load load{.active_remaining_bytes = 30'000'000, .active_count = 1};
  EXPECT_TRUE(may_start(load, 24'000'000, 1e6)) << "54 s";
  EXPECT_FALSE(may_start(load, 26'000'000, 1e6)) << "56 s";
}

TEST(RateEstimate, MeasuresBusyPeriodsOnly) {
  RateEstimate rate;
  rate.tick(kStart, true);
  EXPECT_FALSE(rate.bytes_per_second());
  rate.delivered(1000);
  rate.tick(kStart + 1s, true);
  EXPECT_DOUBLE_EQ(*rate.bytes_per_second(), 1000);
  rate.tick(kStart + 60s, false);
  EXPECT_DOUBLE_EQ(*rate.bytes_per_second(), 1000) << "an hour of silence is not a slow link";
  rate.delivered(0);
  rate.tick(kStart + 61s, true);
  EXPECT_LT(*rate.bytes_per_second(), 1000);
}

TEST(Pacing, SmallSetsAreNotPaced) {
  Pacing pacing;
  pacing.start(kStart, Pacing::kBurstMessages);
  for (std::uint64_t i = 0; i < Pacing::kBurstMessages; ++i) {
    ASSERT_TRUE(pacing.may_send(kStart));
    pacing.sent();
  }
}

TEST(Pacing, ALargeSetIsABurstAndThenSpread) {
  Pacing pacing;
  pacing.start(kStart, 5000);
  std::uint64_t sent = 0;
  const auto send_all = [&](auto at) {
    while (pacing.may_send(at) && sent < 5000) pacing.sent(), ++sent;
  };
  send_all(kStart);
  EXPECT_EQ(sent, Pacing::kBurstMessages);
  send_all(kStart + 9s);
  EXPECT_EQ(sent, Pacing::kBurstMessages + 900) << "4500 messages over 45 s";
  send_all(kStart + Pacing::kSpread);
  EXPECT_EQ(sent, 5000u);
}

}  // namespace
}  // namespace propeller::stream
