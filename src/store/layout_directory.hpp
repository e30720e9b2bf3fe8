#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file_descriptor.hpp"
#include "store/blob_digest.hpp"

namespace propeller::store {

/// A failure of the disk, before it becomes a sentence: who calls looks at the number.
struct DiskFailure {
  int number = 0;  ///< errno
  /// The disk is full, read-only or broken: more of the same will not help.
  [[nodiscard]] bool is_of_disk() const;
};
template <class T>
using DiskResult = std::expected<T, DiskFailure>;

/// A file under tmp/ that has no digest yet.
struct DraftName {
  base::FileDescriptor file;
  std::string name;
};

/// The store's place on disk, an OCI image layout: system calls, no decisions.
///
/// `oci-layout`, `index.json`, `blobs/sha256/<hex>`, `blobs/sha512/<hex>`; besides, `lock`, `tmp/` and `index.db`.
/// Everything below the top is reached relative to open directories and never through a symbolic link. Files are 0600,
/// directories 0700.
///
/// Threads:  any; open() once, before the rest. Every call may wait for the disk.
/// Source:   OCI image-spec, image-layout.md
class LayoutDirectory {
 public:
  explicit LayoutDirectory(std::filesystem::path top) : top_(std::move(top)) {}

  /// Makes what is missing, takes the lock, empties tmp/; the number of files removed there.
  /// Errors: overloaded when another process has the lock; io.
  [[nodiscard]] Result<std::size_t> open();
  [[nodiscard]] bool is_open() const { return root_.is_open(); }

  [[nodiscard]] DiskResult<DraftName> create_draft() const;
  void discard_draft(const DraftName& draft) const;
  /// Fsyncs, renames, fsyncs the directory: afterwards the blob survives a power cut. The file's ctime in ns.
  [[nodiscard]] DiskResult<std::int64_t> publish(const DraftName& draft, const BlobDigest& digest) const;

  /// Closed when it is not there or no regular file.
  [[nodiscard]] base::FileDescriptor open_blob(const BlobDigest& digest) const;
  /// Whether the errno that open_blob() left says that it is not there. Out of descriptors, nothing is known of it.
  [[nodiscard]] static bool is_missing(int error_number) { return error_number == ENOENT || error_number == ELOOP; }
  void remove_blob(const BlobDigest& digest) const;
  /// Names that are no digest are left alone.
  void for_each_blob(
      const std::function<void(const BlobDigest&, std::uint64_t size, std::int64_t changed_ns)>& visit) const;

  /// What an unprivileged process may still write to this disk.
  [[nodiscard]] DiskResult<std::uint64_t> free_bytes() const;
  /// Writes, fsyncs and removes a small file: can anything be stored here?
  [[nodiscard]] DiskResult<void> try_to_write() const;

  [[nodiscard]] std::filesystem::path index_path() const { return top_ / "index.db"; }
  [[nodiscard]] const std::filesystem::path& path() const { return top_; }
  [[nodiscard]] Error error_of(DiskFailure failure, std::string_view verb) const;

 private:
  [[nodiscard]] Result<base::FileDescriptor> open_below(const base::FileDescriptor& parent, const char* name) const;
  [[nodiscard]] Result<void> take_lock();
  [[nodiscard]] Result<void> write_if_missing(const char* name, std::string_view text) const;
  [[nodiscard]] std::size_t sweep_drafts() const;
  [[nodiscard]] const base::FileDescriptor& blobs_of(const BlobDigest& digest) const {
    return digest.algorithm() == DigestAlgorithm::sha256 ? sha256_ : sha512_;
  }

  std::filesystem::path top_;
  base::FileDescriptor root_, lock_, tmp_, sha256_, sha512_;
};

struct FileState {
  std::uint64_t size = 0;
  bool is_linked = true;        ///< has a name: was not evicted in this very moment
  std::int64_t changed_ns = 0;  ///< ctime: every write and every change of it sets this, nobody can set it back
};
[[nodiscard]] std::optional<FileState> state_of(int file);

/// The first `count` bytes, or fewer when the file is shorter or cannot be read.
[[nodiscard]] std::string read_start(int file, std::size_t count);

/// All of it at `offset`.
[[nodiscard]] DiskResult<void> write_at(int file, std::string_view bytes, std::uint64_t offset);

/// The digest of a whole file, read with pread(); empty when it cannot be read, or `stop` said so.
[[nodiscard]] std::optional<BlobDigest> hash_file(int file, DigestAlgorithm algorithm,
                                                  const std::stop_token& stop = {});

}  // namespace propeller::store
