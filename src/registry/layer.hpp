#pragma once

#include <cstdint>
#include <string>

#include "base/digest.hpp"

namespace propeller::registry {

/// A layer that may hold the module, best first (PROTOCOL 1.5, "Choosing").
struct Layer {
  Digest digest;
  std::uint64_t size = 0;
  std::string media_type;
  std::string title;  ///< org.opencontainers.image.title, may be empty

  friend bool operator==(const Layer&, const Layer&) = default;
};

}  // namespace propeller::registry
