#pragma once

#include <array>
#include <chrono>

namespace propeller::base {

/// "2026-11-22T13:04:05Z", of a year of four digits. Source: RFC 3339
[[nodiscard]] std::array<char, 20> timestamp(std::chrono::sys_seconds at);

}  // namespace propeller::base
