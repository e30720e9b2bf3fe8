#include "registry/retry.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace propeller::registry {

bool is_retryable_status(int status) {
  if (status == 408 || status == 425 || status == 429) return true;
  return status >= 500 && status <= 599 && status != 501 && status != 505;
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value,
                                                           std::chrono::system_clock::time_point now) {
  if (value.empty() || value.size() > 64) return std::nullopt;
  std::uint64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (end == value.data() + value.size() && error != std::errc::invalid_argument) {
    const auto seconds_max = static_cast<std::uint64_t>(kRetryAfterMax / std::chrono::seconds(1));
    if (error == std::errc::result_out_of_range) return kRetryAfterMax;
    return std::chrono::seconds(std::min(seconds, seconds_max));
  }
  const auto when = curl_getdate(std::string(value).c_str(), nullptr);
  if (when < 0) return std::nullopt;
  // In seconds: a date of the year 9000 does not fit into the clock's nanoseconds.
  const std::chrono::seconds pause =
      std::chrono::seconds(when) - std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  return std::clamp(pause, std::chrono::seconds(0), std::chrono::floor<std::chrono::seconds>(kRetryAfterMax));
}

std::chrono::milliseconds retry_pause(std::uint32_t attempt, double random_unit,
                                      std::optional<std::chrono::milliseconds> retry_after) {
  const auto doublings = std::min<std::uint32_t>(attempt > 0 ? attempt - 1 : 0, 16);
  const auto full = std::min(kBackoffFirst * (1 << doublings), kBackoffMax);
  const auto jittered = full / 2 + std::chrono::milliseconds(
                                       static_cast<std::int64_t>(static_cast<double>(full.count()) / 2 * random_unit));
  return std::max(jittered, retry_after.value_or(std::chrono::milliseconds(0)));
}

}  // namespace propeller::registry
