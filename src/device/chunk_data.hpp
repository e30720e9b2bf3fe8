#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "mqtt/payload.hpp"

namespace propeller::device {

/// The raw bytes of a chunk of a direct delivery: one zstd frame for each chunk when that was agreed, else as they are.
/// Bound: `raw_bytes_max`; a frame that would give more is refused. Errors: bad_request.
[[nodiscard]] Result<std::string> unpack_chunk(std::string data, mqtt::Compression compression,
                                               std::uint64_t raw_bytes_max);

}  // namespace propeller::device
