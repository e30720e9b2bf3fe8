#pragma once

#include <cstdint>

namespace propeller::bench {

/// What the broker carries from a bare libmosquitto publisher to a bare libmosquitto subscriber, in payload bytes per
/// second: QoS 1, `window` messages in flight, from the first publish to the last message received.
[[nodiscard]] double raw_rate(std::uint16_t port, std::uint64_t payload_bytes, std::uint64_t messages, int window);

}  // namespace propeller::bench
