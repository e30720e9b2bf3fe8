#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/error.hpp"
#include "registry/module.hpp"

namespace propeller::registry {

/// Bytes that are pulled from front to back. Blocking.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// The next bytes, empty at the end; valid until the next call. Errors: io; no_module when the data is damaged.
  [[nodiscard]] virtual Result<std::span<const std::byte>> read() = 0;
};

/// The file `fd` from offset 0 (its own offset is neither used nor moved), unpacked once when it is gzip or zstd.
///
/// Bound:    more than `bytes_max` out of it is too_large; zstd frames that want a window over 32 MiB are refused.
///           What is inside is not unpacked again, so that nested bombs stay folded.
/// Lifetime: `fd` stays open as long as the source.
[[nodiscard]] Result<std::unique_ptr<ByteSource>> open_unpacked(int fd, std::uint64_t bytes_max);

}  // namespace propeller::registry
