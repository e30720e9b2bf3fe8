#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/core.hpp"
#include "base/error.hpp"
#include "base/file_descriptor.hpp"
#include "http/fields.hpp"

namespace propeller::http {

using async::awaitable;

/// Bytes of an open file; `file` stays open as long as the body that named it.
struct FileRange {
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
};

/// The body of a message, pulled by whoever sends or keeps it. A transformation wraps another source.
///
/// Pressure: nothing is fetched before it is asked for.
/// Errors:   of whoever makes the bytes; after one, or after the end, there is nothing more to read. A body that breaks
///           breaks the message it is sent in: the receiver never sees a clean end.
/// Threads:  one core; one read at a time.
class BodySource {
 public:
  BodySource() = default;
  virtual ~BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;

  /// At most `max` bytes; empty is the end. The view is valid until the next read().
  virtual awaitable<Result<std::string_view>> read(std::size_t max) = 0;

  /// How many bytes there are in all, when that is known before the first read. The body of a response to HEAD, and of
  /// a 304, says here what Content-Length says, and read() ends at once.
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const { return std::nullopt; }

  /// After the end; empty when there are none.
  [[nodiscard]] virtual FieldView trailers() const { return {}; }

  /// The whole body, when it lies in memory and nothing was read yet: then it is sent with the head in one write.
  [[nodiscard]] virtual std::optional<std::string_view> memory() const { return std::nullopt; }

  /// The whole body, when it lies in a file and nothing was read yet: then it is sent with sendfile.
  [[nodiscard]] virtual std::optional<FileRange> file_range() const { return std::nullopt; }
};

/// No bytes. With a length, the answer to HEAD.
class EmptyBody final : public BodySource {
 public:
  explicit EmptyBody(std::optional<std::uint64_t> length = 0) : length_(length) {}
  awaitable<Result<std::string_view>> read(std::size_t max) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  std::optional<std::uint64_t> length_;
};

/// Bytes in memory: its own, or shared ones that do not change.
class MemoryBody final : public BodySource {
 public:
  explicit MemoryBody(std::string bytes) : own_(std::move(bytes)), bytes_(own_) {}
  /// `owner` keeps what `bytes` looks into.
  MemoryBody(std::shared_ptr<const void> owner, std::string_view bytes) : owner_(std::move(owner)), bytes_(bytes) {}
  awaitable<Result<std::string_view>> read(std::size_t max) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return bytes_.size(); }
  [[nodiscard]] std::optional<std::string_view> memory() const override;

 private:
  std::string own_;
  std::shared_ptr<const void> owner_;
  std::string_view bytes_;
  std::size_t read_ = 0;
};

/// Part of an open file.
///
/// Errors: io, also when the file is shorter than the range says.
/// Source: reads run on the core: the file is one of ours, on a local disk, and as a rule in the page cache.
class FileBody final : public BodySource {
 public:
  FileBody(std::shared_ptr<const base::FileDescriptor> file, std::uint64_t offset, std::uint64_t count)
      : file_(std::move(file)), offset_(offset), count_(count) {}
  awaitable<Result<std::string_view>> read(std::size_t max) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return count_; }
  [[nodiscard]] std::optional<FileRange> file_range() const override;

 private:
  std::shared_ptr<const base::FileDescriptor> file_;
  std::uint64_t offset_ = 0, count_ = 0, read_ = 0;
  std::string buffer_;
};

/// The whole of a body that may have `bytes_max` bytes. Errors: limit_exceeded, and those of the body.
[[nodiscard]] awaitable<Result<std::string>> read_all(BodySource& body, std::size_t bytes_max);

}  // namespace propeller::http
