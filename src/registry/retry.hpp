#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace propeller::registry {

inline constexpr std::chrono::milliseconds kBackoffFirst{100};
inline constexpr std::chrono::milliseconds kBackoffMax{5'000};
/// Longest wait that a registry may ask for: the devices behind wait 55 s in all (PROTOCOL 1.4).
inline constexpr std::chrono::milliseconds kRetryAfterMax{20'000};

/// No retry begins later than this after the first attempt, or the last progress.
inline constexpr std::chrono::milliseconds kRetryTimeMax{40'000};

/// A request is about to be sent again.
struct Retry {
  const Error& why;
  std::uint32_t attempt = 1;  ///< which failed
  std::chrono::milliseconds pause{};
};
/// Told before each pause: for whoever counts and logs on behalf of the transfer that waits.
using OnRetry = std::function<void(const Retry&)>;

/// Statuses after which the same request may succeed: 408, 425, 429 and 5xx but 501 and 505.
[[nodiscard]] bool is_retryable_status(int status);

/// Value of Retry-After, in seconds or as a date, clipped to kRetryAfterMax. Source: RFC 9110 10.2.3
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value,
                                                                         std::chrono::system_clock::time_point now);

/// Pause before attempt `attempt` + 1 (`attempt` from 1): doubled each time, the upper half of it jittered by
/// `random_unit` in [0, 1); at least what the registry asked for.
[[nodiscard]] std::chrono::milliseconds retry_pause(std::uint32_t attempt, double random_unit,
                                                    std::optional<std::chrono::milliseconds> retry_after);

}  // namespace propeller::registry
