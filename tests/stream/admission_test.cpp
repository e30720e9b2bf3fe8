#include "stream/admission.hpp"

#include <gtest/gtest.h>

#include "base/units.hpp"

namespace propeller::stream {
namespace {

using namespace std::chrono_literals;
constexpr steady_clock::time_point kStart{1h};

TEST(Admission, TheFirstBroadcastAlwaysStarts) { EXPECT_TRUE(may_start({}, base::kGiB, 50s, 1000.0)); }

// A fleet that is powered up together with its bridge asks before anything was measured.
TEST(Admission, BeforeARateIsMeasuredALinkIsTakenToBeSlow) {
  const Load load{.remaining_bytes = 50'000'000, .count = 1};
  EXPECT_TRUE(may_start(load, 1'000'000, 0s, std::nullopt));
  EXPECT_FALSE(may_start(load, 50'000'000, 0s, std::nullopt));
}

TEST(Admission, NoMoreStartThanCanEndWithinTheClientsPatience) {
  const Load load{.remaining_bytes = 30'000'000, .count = 1};
  EXPECT_TRUE(may_start(load, 24'000'000, 0s, 1e6)) << "54 s";
  EXPECT_FALSE(may_start(load, 26'000'000, 0s, 1e6)) << "56 s";
}

TEST(Admission, TheTimeAClientHasWaitedAlreadyCounts) {
  const Load fresh{.remaining_bytes = 10'000'000, .count = 1};
  EXPECT_TRUE(may_start(fresh, 10'000'000, 34s, 1e6));
  EXPECT_FALSE(may_start(fresh, 10'000'000, 36s, 1e6));
  const Load old{.remaining_bytes = 10'000'000, .count = 1, .patience = 15s};
  EXPECT_FALSE(may_start(old, 10'000'000, 0s, 1e6)) << "the one in progress would come too late";
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

std::uint64_t send_all(Pacing& pacing, steady_clock::time_point at) {
  std::uint64_t sent = 0;
  for (; sent < 100'000 && pacing.may_send(at); ++sent) pacing.sent(at);
  return sent;
}

TEST(Pacing, ALargeSetIsABurstAndThenSpreadOverTheClientsPatience) {
  Pacing pacing;
  pacing.begin(kStart, 5500);
  EXPECT_EQ(send_all(pacing, kStart), Pacing::kBurstMessages);
  EXPECT_EQ(send_all(pacing, kStart + 1s), 100u);
  EXPECT_EQ(send_all(pacing, kStart + 2s), 100u);
}

// Four sets of 400 went into a queue of 1000 at once.
TEST(Pacing, TheSetsOfAChannelShareOneBurst) {
  Pacing pacing;
  for (int i = 0; i < 4; ++i) pacing.begin(kStart, 400);
  EXPECT_EQ(send_all(pacing, kStart), Pacing::kBurstMessages);
}

TEST(Pacing, AnIdleChannelHasItsBurstBack) {
  Pacing pacing;
  pacing.begin(kStart, 5500);
  (void)send_all(pacing, kStart);
  pacing.begin(kStart, 1);
  pacing.end(5500);
  EXPECT_FALSE(pacing.may_send(kStart)) << "one is still in progress";
  pacing.end(1);
  pacing.begin(kStart, 100);
  EXPECT_TRUE(pacing.may_send(kStart));
}

TEST(Pacing, WaitingDoesNotSaveUpMoreThanABurst) {
  Pacing pacing;
  pacing.begin(kStart, 55'000);
  EXPECT_EQ(send_all(pacing, kStart + 50s), Pacing::kBurstMessages);
}

}  // namespace
}  // namespace propeller::stream
