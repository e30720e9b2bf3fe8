#pragma once

#include <cstdint>
#include <utility>

#include "base/file_descriptor.hpp"
#include "store/blob_digest.hpp"

namespace propeller::store {

/// A complete blob whose length and digest are right, held open: it stays readable when the store drops its name.
///
/// Threads: any; use offsets (pread, sendfile with an offset), never the file's position.
class OpenBlob {
 public:
  OpenBlob(base::FileDescriptor file, BlobDigest digest, std::uint64_t size)
      : file_(std::move(file)), digest_(digest), size_(size) {}

  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const base::FileDescriptor& file() const { return file_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const BlobDigest& digest() const { return digest_; }

 private:
  base::FileDescriptor file_;
  BlobDigest digest_;
  std::uint64_t size_;
};

}  // namespace propeller::store
