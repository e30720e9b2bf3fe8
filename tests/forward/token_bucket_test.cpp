#include "forward/token_bucket.hpp"

#include <gtest/gtest.h>

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;

const base::Clock::time_point kStart{1h};

/// Bytes that a caller moves within `time` when it waits as it is told.
std::uint64_t moved(TokenBucket bucket, std::uint64_t piece, std::chrono::nanoseconds time) {
  std::uint64_t bytes = 0;
  for (auto now = kStart; now < kStart + time; bytes += piece) now += bucket.take(piece, now);
  return bytes;
}

TEST(TokenBucket, KeepsTheMeanHoweverLargeThePiecesAre) {
  constexpr std::uint64_t kRate = 1'000'000;
  for (const std::uint64_t piece : {1'000ULL, 64'000ULL, 500'000ULL, 4'000'000ULL}) {
    const auto bytes = moved(TokenBucket(kRate), piece, 100s);
    EXPECT_GE(bytes, 100 * kRate) << piece;
    EXPECT_LE(bytes, 100 * kRate + kRate / 4 + 2 * piece) << piece;
  }
}

TEST(TokenBucket, HoldsABurstAndNoMoreAfterAPause) {
  TokenBucket bucket(1'000'000);
  EXPECT_EQ(bucket.take(250'000, kStart), 0ns);
  EXPECT_GT(bucket.take(100'000, kStart), 90ms);
  EXPECT_EQ(bucket.take(250'000, kStart + 1h), 0ns);
  EXPECT_GT(bucket.take(100'000, kStart + 1h), 90ms);
}

TEST(TokenBucket, ASlowLimitStillMovesAWholeRead) {
  TokenBucket bucket(1);
  EXPECT_EQ(bucket.take(TokenBucket::kBurstBytesMin, kStart), 0ns);
  EXPECT_GE(bucket.take(1, kStart), 999ms);
}

TEST(TokenBucket, ZeroIsNoLimit) {
  TokenBucket bucket(0);
  EXPECT_EQ(bucket.take(UINT64_MAX, kStart), 0ns);
}

TEST(BandwidthLimiter, EachClientHasItsOwnAndAllShareTheTotal) {
  BandwidthLimiter limiter(1'000'000, 200'000);
  EXPECT_EQ(limiter.take("a", 50'000, kStart), 0ns);
  EXPECT_GE(limiter.take("a", 200'000, kStart), 900ms);
  EXPECT_EQ(limiter.take("b", 0, kStart), 0ns) << "what a owes is not b's";
  EXPECT_GE(limiter.take("c", 1'000'000, kStart), 4s);
  EXPECT_GE(limiter.take("d", 1, kStart), 900ms) << "the total is used up";
}

TEST(BandwidthLimiter, WithoutLimitsNothingIsRemembered) {
  BandwidthLimiter limiter(0, 0);
  EXPECT_EQ(limiter.take("a", UINT64_MAX, kStart), 0ns);
  EXPECT_EQ(limiter.clients(), 0U);
  EXPECT_FALSE(limiter.is_limited());
}

TEST(BandwidthLimiter, ForgetsTheClientThatWasQuietLongest) {
  BandwidthLimiter limiter(0, 1'000'000);
  EXPECT_GT(limiter.take("first", 10'000'000, kStart), 9s);
  EXPECT_GT(limiter.take("second", 10'000'000, kStart), 9s);
  for (std::size_t i = 0; i < BandwidthLimiter::kClientsMax - 2; ++i) (void)limiter.take(std::to_string(i), 1, kStart);
  EXPECT_GT(limiter.take("first", 1, kStart), 9s);
  (void)limiter.take("one more", 1, kStart);
  EXPECT_EQ(limiter.clients(), BandwidthLimiter::kClientsMax);
  EXPECT_GT(limiter.take("first", 1, kStart), 9s) << "it was there a moment ago";
  EXPECT_EQ(limiter.take("second", 1, kStart), 0ns) << "it begins with a full bucket";
}

}  // namespace
}  // namespace propeller::forward
