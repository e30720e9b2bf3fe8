#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_descriptor.hpp"
#include "store/blob_digest.hpp"

namespace propeller::store {

/// A complete blob whose length and digest are right, held open: it stays readable when the store drops its name.
///
/// Threads: any; use offsets (pread, sendfile with an offset), never the file's position.
class OpenBlob {
 public:
  OpenBlob(base::FileDescriptor file, BlobDigest digest, std::uint64_t size, std::string bytes = {})
      : file_(std::move(file)), digest_(digest), size_(size), bytes_(std::move(bytes)) {}

  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const base::FileDescriptor& file() const { return file_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const BlobDigest& digest() const { return digest_; }
  /// All of a small blob that is in memory; empty of others.
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  base::FileDescriptor file_;
  BlobDigest digest_;
  std::uint64_t size_;
  std::string bytes_;
};

}  // namespace propeller::store
