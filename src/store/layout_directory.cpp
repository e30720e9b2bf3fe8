#include "store/layout_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <vector>

#include "base/random.hpp"
#include "base/units.hpp"
#include "store/directory_names.hpp"

namespace propeller::store {

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr std::size_t kHashBytes = 256 * base::kKiB;
constexpr std::size_t kTrialBytes = 4096;
constexpr std::int64_t kNanoseconds = 1'000'000'000;

DiskFailure failure() { return DiskFailure{errno}; }

std::int64_t changed_of(const struct stat& status) {
  return static_cast<std::int64_t>(status.st_ctim.tv_sec) * kNanoseconds + status.st_ctim.tv_nsec;
}

std::string_view advice(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT: return "; free some space, or make cache.max_size smaller than what the disk can hold";
    case EROFS: return "; the disk is read-only: set cache.dir to a place that can be written";
    case EACCES:
    case EPERM: return "; the process has no permission there: set cache.dir to a place that can be written";
    case EMFILE:
    case ENFILE: return "; raise the limit of open files (`ulimit -n`)";
    default: return "";
  }
}

}  // namespace

bool DiskFailure::is_of_disk() const {
  return number == ENOSPC || number == EDQUOT || number == EROFS || number == EIO || number == EFBIG;
}

Error LayoutDirectory::error_of(DiskFailure failure, std::string_view verb) const {
  return Error{Code::io, Origin::internal,
               fmt::format("cannot {} the store {}: {}{}", verb, top_.native(),
                           std::generic_category().message(failure.number), advice(failure.number))};
}

Result<std::size_t> LayoutDirectory::open() {
  std::error_code ignored;
  if (top_.has_parent_path()) std::filesystem::create_directories(top_.parent_path(), ignored);
  if (::mkdir(top_.c_str(), kDirectoryMode) != 0 && errno != EEXIST)
    return std::unexpected(error_of(failure(), "make"));
  base::FileDescriptor root(::open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) return std::unexpected(error_of(failure(), "open"));
  root_ = std::move(root);
  const auto opened = [this]() -> Result<void> {
    if (auto locked = take_lock(); !locked) return locked;
    auto tmp = open_below(root_, "tmp");
    if (!tmp) return std::unexpected(tmp.error());
    auto blobs = open_below(root_, "blobs");
    if (!blobs) return std::unexpected(blobs.error());
    auto sha256 = open_below(*blobs, "sha256");
    if (!sha256) return std::unexpected(sha256.error());
    auto sha512 = open_below(*blobs, "sha512");
    if (!sha512) return std::unexpected(sha512.error());
    tmp_ = std::move(*tmp);
    sha256_ = std::move(*sha256);
    sha512_ = std::move(*sha512);
    if (auto written = write_if_missing("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"); !written) return written;
    return write_if_missing("index.json", R"({"schemaVersion":2,"manifests":[]})");
  }();
  if (opened) return sweep_drafts();
  root_ = {};
  return std::unexpected(opened.error());
}

Result<void> LayoutDirectory::take_lock() {
  lock_ = base::FileDescriptor(::openat(root_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!lock_.is_open()) return std::unexpected(error_of(failure(), "lock"));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return std::unexpected(error_of(failure(), "lock"));
  return fail(Code::overloaded, Origin::internal,
              fmt::format("another process uses the store {}; give each proxy a cache.dir of its own", top_.native()));
}

Result<base::FileDescriptor> LayoutDirectory::open_below(const base::FileDescriptor& parent, const char* name) const {
  if (::mkdirat(parent.get(), name, kDirectoryMode) != 0 && errno != EEXIST) {
    return std::unexpected(error_of(failure(), "write to"));
  }
  base::FileDescriptor directory(::openat(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.is_open()) return std::unexpected(error_of(failure(), "open"));
  return directory;
}

// Written under another name first: a reader of the layout never sees half of it.
Result<void> LayoutDirectory::write_if_missing(const char* name, std::string_view text) const {
  if (::faccessat(root_.get(), name, F_OK, 0) == 0) return {};
  auto draft = create_draft();
  if (!draft) return std::unexpected(error_of(draft.error(), "write to"));
  auto written = write_at(draft->file.get(), text, 0);
  if (written && ::renameat(tmp_.get(), draft->name.c_str(), root_.get(), name) == 0) return {};
  const DiskFailure failed = written ? failure() : written.error();
  discard_draft(*draft);
  return std::unexpected(error_of(failed, "write to"));
}

std::size_t LayoutDirectory::sweep_drafts() const {
  std::size_t count = 0;
  for_each_name(tmp_, [&](const char* name) { count += ::unlinkat(tmp_.get(), name, 0) == 0 ? 1 : 0; });
  return count;
}

DiskResult<DraftName> LayoutDirectory::create_draft() const {
  std::string name = base::random_hex(16);
  base::FileDescriptor file(
      ::openat(tmp_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!file.is_open()) return std::unexpected(failure());
  return DraftName{std::move(file), std::move(name)};
}

void LayoutDirectory::discard_draft(const DraftName& draft) const { ::unlinkat(tmp_.get(), draft.name.c_str(), 0); }

DiskResult<std::int64_t> LayoutDirectory::publish(const DraftName& draft, const BlobDigest& digest) const {
  const base::FileDescriptor& directory = blobs_of(digest);
  if (::fsync(draft.file.get()) != 0) return std::unexpected(failure());
  if (::renameat(tmp_.get(), draft.name.c_str(), directory.get(), digest.hex().c_str()) != 0) {
    return std::unexpected(failure());
  }
  const auto state = state_of(draft.file.get());
  if (!state || ::fsync(directory.get()) != 0) {
    const DiskFailure failed = failure();
    remove_blob(digest);
    return std::unexpected(failed);
  }
  return state->changed_ns;
}

base::FileDescriptor LayoutDirectory::open_blob(const BlobDigest& digest) const {
  if (!is_open()) return {};
  // O_NONBLOCK: should a FIFO have been put there, do not wait for its writer.
  return base::FileDescriptor(
      ::openat(blobs_of(digest).get(), digest.hex().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

void LayoutDirectory::remove_blob(const BlobDigest& digest) const {
  ::unlinkat(blobs_of(digest).get(), digest.hex().c_str(), 0);
}

void LayoutDirectory::for_each_blob(
    const std::function<void(const BlobDigest&, std::uint64_t, std::int64_t)>& visit) const {
  const auto visit_directory = [&](const base::FileDescriptor& directory, std::string_view prefix) {
    for_each_name(directory, [&](const char* name) {
      const auto digest = BlobDigest::parse(fmt::format("{}{}", prefix, name));
      struct stat status{};
      if (!digest || ::fstatat(directory.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return;
      visit(*digest, static_cast<std::uint64_t>(status.st_size), changed_of(status));
    });
  };
  visit_directory(sha256_, "sha256:");
  visit_directory(sha512_, "sha512:");
}

DiskResult<std::uint64_t> LayoutDirectory::free_bytes() const {
  struct statvfs status{};
  if (::fstatvfs(root_.get(), &status) != 0) return std::unexpected(failure());
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

DiskResult<void> LayoutDirectory::try_to_write() const {
  auto draft = create_draft();
  if (!draft) return std::unexpected(draft.error());
  auto written = write_at(draft->file.get(), std::string(kTrialBytes, 'x'), 0);
  if (written && ::fsync(draft->file.get()) != 0) written = std::unexpected(failure());
  discard_draft(*draft);
  return written;
}

std::optional<FileState> state_of(int file) {
  struct stat status{};
  if (file < 0 || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return FileState{.size = static_cast<std::uint64_t>(status.st_size),
                   .is_linked = status.st_nlink > 0,
                   .changed_ns = changed_of(status)};
}

std::string read_start(int file, std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = ::pread(file, bytes.data() + filled, count - filled, static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

DiskResult<void> write_at(int file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::unexpected(count == 0 ? DiskFailure{EIO} : failure());
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

std::optional<BlobDigest> hash_file(int file, DigestAlgorithm algorithm, const std::stop_token& stop) {
  BlobHash hash(algorithm);
  std::vector<char> buffer(kHashBytes);
  for (std::uint64_t offset = 0; !stop.stop_requested();) {
    const ssize_t count = ::pread(file, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) return hash.finish();
    hash.update({buffer.data(), static_cast<std::size_t>(count)});
    offset += static_cast<std::uint64_t>(count);
  }
  return std::nullopt;
}

}  // namespace propeller::store
