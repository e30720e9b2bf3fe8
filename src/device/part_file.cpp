#include "device/part_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace propeller::device {

namespace {
constexpr std::size_t kPieceBytes = 256 * base::kKiB;
}

std::filesystem::path PartFile::path() const {
  if (target_.empty()) return "the temporary file";
  auto part = target_;
  part += ".part";
  return part;
}

std::unexpected<Error> PartFile::failed(std::string_view verb) const {
  return fail(Code::io, Origin::internal,
              fmt::format("cannot {} {}: {}", verb, path().native(), std::generic_category().message(errno)));
}

Result<void> PartFile::open(Content content) {
  if (target_.empty()) {
    std::string name = (std::filesystem::temp_directory_path() / "propeller-fetch-XXXXXX").native();
    fd_ = base::FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (fd_.is_open()) ::unlink(name.c_str());
  } else {
    const int truncate = content == Content::discard ? O_TRUNC : 0;
    fd_ = base::FileDescriptor(::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | truncate, 0666));
  }
  if (!fd_.is_open()) return failed("open");
  return {};
}

bool PartFile::exists() const {
  std::error_code ignored;
  return !target_.empty() && std::filesystem::is_regular_file(path(), ignored);
}

Result<void> PartFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write");
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

template <class Visit>
Result<void> PartFile::for_each_piece(std::uint64_t size, const Visit& visit) const {
  std::vector<std::byte> buffer(kPieceBytes);
  for (std::uint64_t offset = 0; offset < size;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, size - offset));
    const ssize_t count = ::pread(fd_.get(), buffer.data(), wanted, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read");
    if (count == 0) {
      return fail(Code::io, Origin::internal, fmt::format("{} was cut short by somebody else", path().native()));
    }
    const auto piece = std::span<const std::byte>(buffer).first(static_cast<std::size_t>(count));
    if (auto visited = visit(piece); !visited) return visited;
    offset += piece.size();
  }
  return {};
}

Result<Digest> PartFile::hash(std::uint64_t size) const {
  base::Sha256 hash;
  const auto read = for_each_piece(size, [&hash](std::span<const std::byte> piece) {
    hash.update(piece);
    return Result<void>();
  });
  if (!read) return std::unexpected(read.error());
  return hash.finish();
}

Result<void> PartFile::publish(std::uint64_t size) {
  ASSERT(!target_.empty());
  // A resumed file may be longer than the image that it became.
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return failed("cut");
  if (::rename(path().c_str(), target_.c_str()) == 0) return {};
  return fail(Code::io, Origin::internal,
              fmt::format("cannot rename {} to {}: {}", path().native(), target_.native(),
                          std::generic_category().message(errno)));
}

Result<void> PartFile::copy_to(int fd, std::uint64_t size) const {
  return for_each_piece(size, [fd](std::span<const std::byte> piece) -> Result<void> {
    while (!piece.empty()) {
      const ssize_t count = ::write(fd, piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        return fail(Code::io, Origin::internal,
                    fmt::format("cannot write to standard output: {}", std::generic_category().message(errno)));
      }
      piece = piece.subspan(static_cast<std::size_t>(count));
    }
    return {};
  });
}

void PartFile::discard() {
  std::error_code ignored;
  if (!target_.empty()) std::filesystem::remove(path(), ignored);
}

}  // namespace propeller::device
