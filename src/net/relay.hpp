#pragma once

#include <chrono>
#include <cstdint>

#include "net/stream.hpp"

namespace propeller::net {

struct RelayOptions {
  std::chrono::milliseconds idle_timeout{300'000};  ///< without a byte in either direction
};

/// What went so far; may be looked at while the relay is under way, on its core.
struct RelayBytes {
  std::uint64_t to_right = 0, to_left = 0;
};

/// Carries bytes both ways between two streams until both directions have ended: the end of one side is passed on
/// (half close), an error of one side resets the other, so that what was cut short is not taken for whole.
///
/// Bound:    kRelayBufferBytes for each direction, and none while nothing comes.
/// Pressure: a side is read only as fast as the other one takes it.
/// Errors:   the first one of either side; timeout when both were idle. Both streams are closed at the end, always.
inline constexpr std::size_t kRelayBufferBytes = 64 * 1024;
[[nodiscard]] async::awaitable<Result<void>> relay(Stream& left, Stream& right, RelayOptions options,
                                                   RelayBytes& bytes);

}  // namespace propeller::net
