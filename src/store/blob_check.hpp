#pragma once

#include <cstdint>
#include <optional>

#include "base/file_descriptor.hpp"
#include "store/blob_digest.hpp"

namespace propeller::store {

/// A file of the store that is read again from its first byte, some at a time, to see whether it still is what its name
/// says.
///
/// Threads: one at a time; every call may wait for the disk.
class BlobCheck {
 public:
  enum class State { reading, right, wrong };

  BlobCheck(base::FileDescriptor file, const BlobDigest& digest);

  /// Reads at most about `bytes_max` more. `wrong`: its digest is another, or it cannot be read.
  [[nodiscard]] State go_on(std::uint64_t bytes_max);

  [[nodiscard]] const BlobDigest& digest() const { return digest_; }
  [[nodiscard]] std::uint64_t bytes() const { return offset_; }  ///< read so far
  /// Of the file when the reading began: what changed meanwhile is in doubt.
  [[nodiscard]] std::int64_t changed_ns() const { return changed_ns_; }

 private:
  base::FileDescriptor file_;
  BlobDigest digest_;
  BlobHash hash_;
  std::uint64_t offset_ = 0;
  std::int64_t changed_ns_ = 0;
};

}  // namespace propeller::store
