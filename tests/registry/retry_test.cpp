#include "registry/retry.hpp"

#include <gtest/gtest.h>

#include "registry/content_range.hpp"

namespace propeller::registry {
namespace {

using namespace std::chrono_literals;

TEST(IsRetryableStatus, OnlyWhatMayPass) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) EXPECT_TRUE(is_retryable_status(status)) << status;
  for (const int status : {200, 304, 400, 401, 403, 404, 416, 501, 505, 600})
    EXPECT_FALSE(is_retryable_status(status)) << status;
}

TEST(ParseRetryAfter, TakesSecondsAndDatesAndClipsBoth) {
  const auto now = std::chrono::system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(parse_retry_after("0", now), 0ms);
  EXPECT_EQ(parse_retry_after("7", now), 7s);
  EXPECT_EQ(parse_retry_after("99999", now), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("99999999999999999999999", now), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:42 GMT", now), 5s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), 0s);
  EXPECT_EQ(parse_retry_after("Mon, 07 Nov 1994 08:00:00 GMT", now), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Mon, 07 Nov 9949 08:00:00 GMT", now), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Mon, 07 Nov 1994 08:00:00 GMT", {}), kRetryAfterMax);
  for (const std::string_view text : {"", "soon", "-5", "1.5", "7 s"})
    EXPECT_EQ(parse_retry_after(text, now), std::nullopt) << text;
}

TEST(RetryPause, DoublesIsJitteredAndBounded) {
  EXPECT_EQ(retry_pause(1, 0.0, {}), kBackoffFirst / 2);
  EXPECT_EQ(retry_pause(2, 0.0, {}), kBackoffFirst);
  EXPECT_EQ(retry_pause(3, 0.0, {}), kBackoffFirst * 2);
  EXPECT_GT(retry_pause(1, 0.9, {}), retry_pause(1, 0.1, {}));
  EXPECT_LT(retry_pause(1, 0.999, {}), kBackoffFirst);
  EXPECT_LE(retry_pause(4'000'000'000, 0.999, {}), kBackoffMax);
  EXPECT_EQ(retry_pause(1, 0.5, 9s), 9s);
}

TEST(ParseContentRange, TakesTheFormOfTheSpecificationOnly) {
  const auto range = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(range->last, 9u);
  EXPECT_EQ(range->total, 10u);
  EXPECT_EQ(parse_content_range("bytes 0-0/*")->total, std::nullopt);
  for (const std::string_view text :
       {"", "bytes 5-9", "bytes */10", "items 5-9/10", "bytes 9-5/10", "bytes 5-10/10", "bytes -9/10", "bytes 5-/10",
        "bytes 5-9/x", "bytes 5-9/", "bytes 99999999999999999999-9/10", "bytes 5/9-10"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

}  // namespace
}  // namespace propeller::registry
