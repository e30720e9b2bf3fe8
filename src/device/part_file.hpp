#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file_descriptor.hpp"

namespace propeller::device {

/// The image while it is not whole: `<target>.part`, renamed into place at the end, so that nobody ever sees half of it
/// under its name.
///
/// Errors:   io, with the file's name and the reason.
/// Threads:  one.
/// Lifetime: what is neither published nor discarded stays, to be resumed.
class PartFile {
 public:
  /// An empty target: a file without a name, for standard output.
  explicit PartFile(std::filesystem::path target) : target_(std::move(target)) {}
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  enum class Content { discard, keep };
  [[nodiscard]] Result<void> open(Content content);
  [[nodiscard]] bool exists() const;

  [[nodiscard]] Result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// SHA-256 of the first `size` bytes.
  [[nodiscard]] Result<Digest> hash(std::uint64_t size) const;

  /// Cuts it to `size` and gives it its name.
  [[nodiscard]] Result<void> publish(std::uint64_t size);
  [[nodiscard]] Result<void> copy_to(int fd, std::uint64_t size) const;
  void discard();

  /// `<target>.part`, or a name for people.
  [[nodiscard]] std::filesystem::path path() const;

 private:
  [[nodiscard]] std::unexpected<Error> failed(std::string_view verb) const;
  template <class Visit>
  [[nodiscard]] Result<void> for_each_piece(std::uint64_t size, const Visit& visit) const;

  std::filesystem::path target_;
  base::FileDescriptor fd_;
};

}  // namespace propeller::device
