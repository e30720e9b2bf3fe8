#include "registry/decompress.hpp"

#include <archive.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "base/assert.hpp"
#include "base/units.hpp"
#include "registry/archive_error.hpp"

namespace propeller::registry {

namespace {

constexpr std::size_t kReadBytes = 128 * base::kKiB;
constexpr int kZstdWindowLogMax = 25;  // 32 MiB; the format asks decoders for 8 MiB, common encoders stay below that

class FileSource final : public ByteSource {
 public:
  explicit FileSource(int fd) : fd_(fd), buffer_(kReadBytes) {}

  Result<std::span<const std::byte>> read() override {
    for (;;) {
      const ssize_t count = ::pread(fd_, buffer_.data(), buffer_.size(), static_cast<off_t>(offset_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        return fail(Code::io, Origin::internal,
                    fmt::format("cannot read the layer from the spool: {}", std::generic_category().message(errno)));
      }
      offset_ += static_cast<std::uint64_t>(count);
      return std::span<const std::byte>(buffer_).first(static_cast<std::size_t>(count));
    }
  }

 private:
  int fd_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> buffer_;
};

// libzstd itself rather than libarchive's filter: that one has no way to bound the window, 128 MiB of memory.
class ZstdSource final : public ByteSource {
 public:
  explicit ZstdSource(int fd) : file_(fd), context_(ZSTD_createDCtx(), ZSTD_freeDCtx), buffer_(ZSTD_DStreamOutSize()) {
    ASSERT(context_ != nullptr);
    ASSERT(ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax)) == 0);
  }

  Result<std::span<const std::byte>> read() override {
    for (;;) {
      if (in_.pos == in_.size && !is_flushing_) {
        auto more = file_.read();
        if (!more) return std::unexpected(more.error());
        if (more->empty()) return is_in_frame_ ? damaged_archive("the zstd data ends early") : end();
        in_ = {more->data(), more->size(), 0};
      }
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0) return damaged_archive(ZSTD_getErrorName(left));
      is_in_frame_ = left != 0;
      is_flushing_ = is_in_frame_ && out.pos == out.size;
      if (out.pos > 0) return std::span<const std::byte>(buffer_).first(out.pos);
    }
  }

 private:
  static Result<std::span<const std::byte>> end() { return std::span<const std::byte>(); }

  FileSource file_;
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
  std::vector<std::byte> buffer_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool is_in_frame_ = false;
  bool is_flushing_ = false;  // the output was full: there may be more without more input
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(int fd) : file_(fd), archive_(archive_read_new()) {
    ASSERT(archive_ != nullptr);
    archive_read_support_format_raw(archive_.get());
    // Exactly this filter, once: with the usual choice by content, gzip in gzip in gzip would be unfolded.
    archive_read_append_filter(archive_.get(), ARCHIVE_FILTER_GZIP);
  }

  Result<std::span<const std::byte>> read() override {
    if (!is_open_) {
      is_open_ = true;
      archive_entry* entry = nullptr;
      if (archive_read_open(archive_.get(), this, nullptr, feed, nullptr) != ARCHIVE_OK) return failed();
      const int code = archive_read_next_header(archive_.get(), &entry);
      if (code == ARCHIVE_EOF) return std::span<const std::byte>();
      if (code < ARCHIVE_WARN) return failed();
    }
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int code = archive_read_data_block(archive_.get(), &data, &size, &offset);
    if (code == ARCHIVE_EOF) return std::span<const std::byte>();
    if (code < ARCHIVE_WARN) return failed();
    return std::span(static_cast<const std::byte*>(data), size);
  }

 private:
  static la_ssize_t feed(archive* reader, void* self, const void** data) {
    return feed_archive(reader, static_cast<GzipSource*>(self)->file_, static_cast<GzipSource*>(self)->error_, data);
  }
  Result<std::span<const std::byte>> failed() const {
    if (error_) return std::unexpected(*error_);
    return damaged_archive(error_text(archive_.get()));
  }

  FileSource file_;
  std::optional<Error> error_;
  ArchivePtr archive_;
  bool is_open_ = false;
};

class BoundedSource final : public ByteSource {
 public:
  BoundedSource(std::unique_ptr<ByteSource> source, std::uint64_t bytes_max)
      : source_(std::move(source)), bytes_max_(bytes_max) {}

  Result<std::span<const std::byte>> read() override {
    auto bytes = source_->read();
    if (!bytes) return bytes;
    bytes_ += bytes->size();
    if (bytes_ <= bytes_max_) return bytes;
    return fail(Code::too_large, Origin::upstream,
                fmt::format("the archive unpacks to more than {}", base::format_bytes(bytes_max_)));
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_unpacked(int fd, std::uint64_t bytes_max) {
  FileSource file(fd);
  const auto head = file.read();
  if (!head) return std::unexpected(head.error());
  std::unique_ptr<ByteSource> source;
  switch (sniff(head->first(std::min(head->size(), kSniffBytes)))) {
    case ContentKind::gzip: source = std::make_unique<GzipSource>(fd); break;
    case ContentKind::zstd: source = std::make_unique<ZstdSource>(fd); break;
    case ContentKind::wasm:
    case ContentKind::tar:
    case ContentKind::unknown: source = std::make_unique<FileSource>(fd); break;
  }
  return std::make_unique<BoundedSource>(std::move(source), bytes_max);
}

}  // namespace propeller::registry
