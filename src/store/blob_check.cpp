#include "store/blob_check.hpp"

#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/units.hpp"
#include "store/layout_directory.hpp"

namespace propeller::store {

namespace {

constexpr std::size_t kPieceBytes = 256 * base::kKiB;

}  // namespace

BlobCheck::BlobCheck(base::FileDescriptor file, const BlobDigest& digest)
    : file_(std::move(file)), digest_(digest), hash_(digest.algorithm()) {
  if (const auto state = state_of(file_.get())) changed_ns_ = state->changed_ns;
}

BlobCheck::State BlobCheck::go_on(std::uint64_t bytes_max) {
  std::vector<char> piece(kPieceBytes);
  for (const std::uint64_t end = offset_ + bytes_max; offset_ < end;) {
    const ssize_t count = ::pread(file_.get(), piece.data(), piece.size(), static_cast<off_t>(offset_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return State::wrong;
    if (count == 0) return hash_.finish() == digest_ ? State::right : State::wrong;
    hash_.update({piece.data(), static_cast<std::size_t>(count)});
    offset_ += static_cast<std::uint64_t>(count);
  }
  return State::reading;
}

}  // namespace propeller::store
