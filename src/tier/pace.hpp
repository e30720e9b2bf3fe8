#pragma once

#include <chrono>
#include <cstdint>

#include "base/units.hpp"

namespace propeller::tier {

/// How a download comes along that clients wait for.
enum class Pace : std::uint8_t {
  good,
  too_slow,  ///< something is wrong with the tier
  too_long,  ///< it is large, and a registry shows its first byte sooner
};

/// What comes from the tier is held back until its digest is known: so long, and no longer.
inline constexpr std::chrono::milliseconds kHoldMax{10'000};
inline constexpr std::chrono::milliseconds kPaceKnownAfter{1'000};
inline constexpr std::uint64_t kRateMin = 1 * base::kMiB;  ///< bytes a second

[[nodiscard]] Pace pace_of(std::uint64_t received, std::uint64_t size, std::chrono::milliseconds elapsed);

}  // namespace propeller::tier
