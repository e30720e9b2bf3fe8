#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file_descriptor.hpp"

namespace propeller::store {

/// An unpublished file: one without a name where the file system can do that, else one under tmp/.
struct DraftFile {
  base::FileDescriptor fd;
  std::string name;  ///< under tmp/; empty: it has none
};

struct ListedFile {
  std::string name;
  std::uint64_t size = 0;
  timespec modified{};
};

/// The spool's place on disk: system calls and their errors as sentences, no decisions.
///
/// `lock`, `tmp/` (drafts), `blobs/sha256/<hex>` (images), `modules/<hex>` (one small file per note: what is in a
/// layer, who may have it). Files are 0600, directories 0700 and ours. Everything below the top is reached relative to
/// open directories and never through a symbolic link, so that whoever may write to the parent cannot lead us
/// elsewhere. Nothing is fsynced: a process that is killed loses nothing that the kernel has, and after a power loss
/// the digest decides.
///
/// Threads:  any; open() once, before the rest.
class SpoolDirectory {
 public:
  explicit SpoolDirectory(std::filesystem::path top) : top_(std::move(top)) {}

  /// Errors: io; overloaded when another process has the lock.
  [[nodiscard]] Result<void> open();

  [[nodiscard]] Result<DraftFile> create_draft() const;
  /// Gives the draft its name among the images, replacing what is there.
  [[nodiscard]] Result<void> publish(const DraftFile& draft, const Digest& digest) const;
  void discard(const DraftFile& draft) const;

  /// For reading; closed when it is not there or no regular file.
  [[nodiscard]] base::FileDescriptor open_blob(const Digest& digest) const;
  void remove_blob(const Digest& digest) const;

  [[nodiscard]] Result<void> write_note(const std::string& name, std::string_view text) const;
  [[nodiscard]] std::optional<std::string> read_note(const std::string& name, std::size_t bytes_max) const;
  void remove_note(const std::string& name) const;

  void for_each_blob(const std::function<void(ListedFile)>& visit) const { for_each(blobs_, visit); }
  void for_each_note(const std::function<void(ListedFile)>& visit) const { for_each(modules_, visit); }

  [[nodiscard]] const std::filesystem::path& path() const { return top_; }
  /// "cannot <verb> the spool <path>: <reason>" as Error io, with what to do about it where that is known.
  [[nodiscard]] Error error_of(int error_number, std::string_view verb) const;

 private:
  void for_each(const base::FileDescriptor& directory, const std::function<void(ListedFile)>& visit) const;
  [[nodiscard]] Result<base::FileDescriptor> open_below(const base::FileDescriptor& parent, const char* name) const;
  [[nodiscard]] Result<void> take_lock();
  [[nodiscard]] bool can_publish_nameless() const;

  std::filesystem::path top_;
  base::FileDescriptor root_, lock_, tmp_, blobs_, modules_;
  bool is_nameless_ = false;
};

}  // namespace propeller::store
