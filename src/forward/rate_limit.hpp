#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "http/fields.hpp"

namespace propeller::forward {

/// How much a registry still lets us pull, as it said last. Docker Hub does.
struct RateLimit {
  std::uint64_t limit = 0;
  std::uint64_t remaining = 0;
  std::uint64_t window_seconds = 0;  ///< in which `limit` holds; 0: not told
  std::string source;                ///< whom it counts for: our address, or an account

  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

inline constexpr std::size_t kRateLimitSourceBytesMax = 128;

/// Of `ratelimit-limit: 100;w=21600`, `ratelimit-remaining` and `docker-ratelimit-source`. Nothing where the first two
/// are not there or no numbers.
/// Source: Docker Hub, "Usage and limits", pull rate limit headers
[[nodiscard]] std::optional<RateLimit> parse_rate_limit(http::FieldView fields);

/// The rate limit of one registry, told by every core. Threads: any.
class SharedRateLimit {
 public:
  void note(http::FieldView fields);
  [[nodiscard]] std::optional<RateLimit> get() const;

 private:
  mutable std::mutex mutex_;
  std::optional<RateLimit> last_;
};

}  // namespace propeller::forward
