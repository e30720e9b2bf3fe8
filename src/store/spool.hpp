#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/digest.hpp"
#include "base/error.hpp"

namespace propeller::store {

class Spool;

/// One file of the spool: written once from front to back, readable up to where it is written.
///
/// Threads:  append() from one at a time; the rest from any.
/// Lifetime: held by shared_ptr; while somebody holds it, it is not evicted. An incomplete file goes with its last
/// holder.
class SpoolFile {
 public:
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  /// On a full disk, files that nobody uses make room first. Errors: io (disk full, read-only …), too_large past the
  /// reservation.
  [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);
  /// Fills `out` from `offset`; all of it has to be written already. Errors: io.
  [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] std::uint64_t written() const;
  /// Complete, and its bytes have the digest it is filed under.
  [[nodiscard]] bool is_complete() const;
  /// For libraries that read from a descriptor; use pread(), its offset is shared.
  [[nodiscard]] int fd() const;

 private:
  friend class Spool;
  struct State;
  explicit SpoolFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// SHA-256 of what is written. Reads the whole file: call it through async::offload. Errors: io.
[[nodiscard]] Result<Digest> hash_file(const SpoolFile& file);

/// Images on disk, by digest, bounded in bytes: what has to be read twice is read from here, so that memory never
/// holds an image. Complete files survive the process; they are hashed again before the first use after a start, which
/// is why nothing is fsynced: a bridge that is killed loses nothing that the kernel has, and what a power loss spoils
/// does not have its digest any more.
///
/// Order:    least recently used complete files go first when room is needed; use is remembered across restarts.
/// Bound:    `bytes_max` over all files, by reservation, so that a download that was begun can end; kFilesMax files,
///           kNotesMax remembered modules and audiences, those used longest ago go first.
/// Errors:   overloaded when everything is in use; too_large when it could never fit; io.
/// Threads:  any; calls are short, no file is read or written whole.
/// Lifetime: the directory stays locked until the spool and the last of its files are gone.
/// Source:   PROTOCOL.md 1.4, consequence 2
class Spool {
 public:
  static constexpr std::size_t kFilesMax = 16'384;
  static constexpr std::size_t kNotesMax = 2 * kFilesMax;
  static constexpr std::size_t kModulePathBytesMax = 1'024;  ///< longer ones are not remembered

  Spool(std::filesystem::path directory, std::uint64_t bytes_max);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// Makes the directory (0700), takes its lock, sweeps what was left half done, lists what is there.
  /// Errors: io; overloaded when another process has the lock.
  [[nodiscard]] Result<void> open();

  /// A complete file, or nullptr. One found at start and not hashed yet counts as absent until settle() passed.
  [[nodiscard]] std::shared_ptr<SpoolFile> find(const Digest& digest);
  /// There is a file from an earlier process that wants verifying: open, to be hashed off the thread, then settled.
  [[nodiscard]] std::shared_ptr<SpoolFile> find_unverified(const Digest& digest);
  void settle(const std::shared_ptr<SpoolFile>& file, const Digest& found);  ///< right: kept; wrong: deleted

  /// A new file for `size` bytes at most, evicting what nobody uses.
  [[nodiscard]] Result<std::shared_ptr<SpoolFile>> create(std::uint64_t size);
  /// Files it under `digest`; the caller has verified the bytes. Gives back the unused reservation.
  [[nodiscard]] Result<void> commit(const std::shared_ptr<SpoolFile>& file, const Digest& digest);

  /// Remembers that the module at `path` of the layer `source` is the file `digest`, across restarts.
  void remember_module(const Digest& source, std::string_view path, const Digest& module);
  [[nodiscard]] std::optional<Digest> module_of(const Digest& source, std::string_view path);

  /// Remembers that `audience` may have the file `digest` and what was taken out of it, across restarts. A digest is no
  /// secret: who names one has not been given its bytes.
  void remember_audience(const Digest& digest, std::string_view audience);
  [[nodiscard]] bool is_for(const Digest& digest, std::string_view audience);

  /// Files and reservations.
  [[nodiscard]] std::uint64_t bytes_used() const;

 private:
  friend class SpoolFile;
  struct State;
  std::shared_ptr<State> state_;  // the files keep it too: the last holder of one gives its reservation back
};

}  // namespace propeller::store
