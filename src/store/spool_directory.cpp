#include "store/spool_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/random.hpp"
#include "store/directory_names.hpp"

namespace propeller::store {

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

std::string_view advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "; free some space, or set PROXY_SPOOL_SIZE below what the disk can hold";
    case EFBIG: return "; the process may not write files of this size (see `ulimit -f`)";
    case EROFS: return "; the disk is read-only: set PROXY_SPOOL_DIR to a place that can be written";
    case EACCES:
    case EPERM: return "; the process has no permission there: set PROXY_SPOOL_DIR to a place that can be written";
    case EMFILE:
    case ENFILE: return "; raise the limit of open files (`ulimit -n`)";
    default: return "";
  }
}

std::string proc_path(const base::FileDescriptor& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

}  // namespace

Error SpoolDirectory::error_of(int error_number, std::string_view verb) const {
  return Error{Code::io, Origin::internal,
               fmt::format("cannot {} the spool {}: {}{}", verb, top_.native(),
                           std::generic_category().message(error_number), advice(error_number))};
}

Result<void> SpoolDirectory::open() {
  std::error_code ignored;
  if (top_.has_parent_path()) std::filesystem::create_directories(top_.parent_path(), ignored);
  if (::mkdir(top_.c_str(), kDirectoryMode) != 0 && errno != EEXIST) return std::unexpected(error_of(errno, "make"));
  root_ = base::FileDescriptor(::open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_.is_open()) return std::unexpected(error_of(errno, "open"));
  if (auto locked = take_lock(); !locked) return locked;

  auto tmp = open_below(root_, "tmp");
  if (!tmp) return std::unexpected(tmp.error());
  auto algorithms = open_below(root_, "blobs");
  if (!algorithms) return std::unexpected(algorithms.error());
  auto blobs = open_below(*algorithms, "sha256");
  if (!blobs) return std::unexpected(blobs.error());
  auto modules = open_below(root_, "modules");
  if (!modules) return std::unexpected(modules.error());
  tmp_ = std::move(*tmp);
  blobs_ = std::move(*blobs);
  modules_ = std::move(*modules);

  for_each(tmp_, [this](const ListedFile& left) { ::unlinkat(tmp_.get(), left.name.c_str(), 0); });
  is_nameless_ = can_publish_nameless();
  return {};
}

Result<void> SpoolDirectory::take_lock() {
  lock_ = base::FileDescriptor(::openat(root_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!lock_.is_open()) return std::unexpected(error_of(errno, "lock"));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return std::unexpected(error_of(errno, "lock"));
  return fail(
      Code::overloaded, Origin::internal,
      fmt::format("another process uses the spool {}; give each bridge a PROXY_SPOOL_DIR of its own", top_.native()));
}

Result<base::FileDescriptor> SpoolDirectory::open_below(const base::FileDescriptor& parent, const char* name) const {
  if (::mkdirat(parent.get(), name, kDirectoryMode) != 0 && errno != EEXIST) {
    return std::unexpected(error_of(errno, "write to"));
  }
  base::FileDescriptor directory(::openat(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.is_open()) return std::unexpected(error_of(errno, "open"));
  struct stat status{};
  if (::fstat(directory.get(), &status) != 0) return std::unexpected(error_of(errno, "open"));
  if (status.st_uid != ::geteuid()) {
    return fail(Code::io, Origin::internal,
                fmt::format("{}/{} belongs to another user; remove it or set PROXY_SPOOL_DIR to another place",
                            top_.native(), name));
  }
  if ((status.st_mode & 0077) != 0) ::fchmod(directory.get(), kDirectoryMode);
  return directory;
}

// A file system may open nameless files and yet not link them (no /proc, some overlays): try it once.
bool SpoolDirectory::can_publish_nameless() const {
  const base::FileDescriptor fd(::openat(tmp_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode));
  if (!fd.is_open()) return false;
  if (::linkat(AT_FDCWD, proc_path(fd).c_str(), blobs_.get(), "probe", AT_SYMLINK_FOLLOW) != 0 && errno != EEXIST)
    return false;
  ::unlinkat(blobs_.get(), "probe", 0);
  return true;
}

Result<DraftFile> SpoolDirectory::create_draft() const {
  if (is_nameless_) {
    base::FileDescriptor fd(::openat(tmp_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode));
    if (!fd.is_open()) return std::unexpected(error_of(errno, "write to"));
    return DraftFile{std::move(fd), {}};
  }
  std::string name = base::random_hex(16);
  base::FileDescriptor fd(
      ::openat(tmp_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd.is_open()) return std::unexpected(error_of(errno, "write to"));
  return DraftFile{std::move(fd), std::move(name)};
}

Result<void> SpoolDirectory::publish(const DraftFile& draft, const Digest& digest) const {
  const std::string name = digest.hex();
  if (!draft.name.empty()) {
    if (::renameat(tmp_.get(), draft.name.c_str(), blobs_.get(), name.c_str()) == 0) return {};
    return std::unexpected(error_of(errno, "write to"));
  }
  // linkat() does not replace, and our lock keeps everybody else away between the two calls.
  ::unlinkat(blobs_.get(), name.c_str(), 0);
  if (::linkat(AT_FDCWD, proc_path(draft.fd).c_str(), blobs_.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  return std::unexpected(error_of(errno, "write to"));
}

void SpoolDirectory::discard(const DraftFile& draft) const {
  if (!draft.name.empty()) ::unlinkat(tmp_.get(), draft.name.c_str(), 0);
}

base::FileDescriptor SpoolDirectory::open_blob(const Digest& digest) const {
  // O_NONBLOCK: should a FIFO have been put there, do not wait for its writer.
  base::FileDescriptor fd(::openat(blobs_.get(), digest.hex().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return fd;
}

void SpoolDirectory::remove_blob(const Digest& digest) const { ::unlinkat(blobs_.get(), digest.hex().c_str(), 0); }

Result<void> SpoolDirectory::write_note(const std::string& name, std::string_view text) const {
  const std::string draft = base::random_hex(16);
  const base::FileDescriptor fd(
      ::openat(tmp_.get(), draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd.is_open()) return std::unexpected(error_of(errno, "write to"));
  const bool is_written = ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (is_written && ::renameat(tmp_.get(), draft.c_str(), modules_.get(), name.c_str()) == 0) return {};
  const int error_number = errno;
  ::unlinkat(tmp_.get(), draft.c_str(), 0);
  return std::unexpected(error_of(error_number, "write to"));
}

std::optional<std::string> SpoolDirectory::read_note(const std::string& name, std::size_t bytes_max) const {
  const base::FileDescriptor fd(::openat(modules_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.is_open()) return std::nullopt;
  std::string text(bytes_max + 1, '\0');
  const ssize_t bytes = ::read(fd.get(), text.data(), text.size());
  if (bytes < 0 || static_cast<std::size_t>(bytes) > bytes_max) return std::nullopt;
  text.resize(static_cast<std::size_t>(bytes));
  return text;
}

void SpoolDirectory::remove_note(const std::string& name) const { ::unlinkat(modules_.get(), name.c_str(), 0); }

void SpoolDirectory::for_each(const base::FileDescriptor& directory,
                              const std::function<void(ListedFile)>& visit) const {
  for_each_name(directory, [&](const char* name) {
    struct stat status{};
    if (::fstatat(directory.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) return;
    visit({.name = name, .size = static_cast<std::uint64_t>(status.st_size), .modified = status.st_mtim});
  });
}

}  // namespace propeller::store
