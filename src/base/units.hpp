#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::base {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

/// "512000", "2GiB", "64 MiB", "10MB", "1k": a number and an optional unit (powers of 1024 for KiB/K, 1000 for KB).
/// Errors: bad_config, saying what is allowed.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);

/// "600 B", "1.0 MiB" for logs and progress bars.
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

}  // namespace propeller::base
