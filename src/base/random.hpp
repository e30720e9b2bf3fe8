#pragma once

#include <cstdint>
#include <string>

namespace propeller::base {

/// `bytes` bytes from the kernel's generator as hex digits: transfer ids, client id suffixes. Threads: any.
[[nodiscard]] std::string random_hex(std::size_t bytes);

/// A number in [0, 1) for jitter. Threads: any.
[[nodiscard]] double random_unit();

}  // namespace propeller::base
