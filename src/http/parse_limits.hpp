#pragma once

#include <cstddef>

namespace propeller::http {

/// Bounds of a message's head. Beyond them a request gets 414 or 431, a response is malformed.
struct ParseLimits {
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t target_bytes_max = 16 * 1024;
  std::size_t fields_max = 128;
};

}  // namespace propeller::http
