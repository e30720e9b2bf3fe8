#include "tier/pace.hpp"

namespace propeller::tier {

Pace pace_of(std::uint64_t received, std::uint64_t size, std::chrono::milliseconds elapsed) {
  if (received >= size || elapsed < kPaceKnownAfter) return Pace::good;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const double rate = static_cast<double>(received) / seconds;
  if (rate < static_cast<double>(kRateMin)) return Pace::too_slow;
  const double whole = static_cast<double>(size) / rate;
  return whole > std::chrono::duration<double>(kHoldMax).count() ? Pace::too_long : Pace::good;
}

}  // namespace propeller::tier
