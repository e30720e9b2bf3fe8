#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "forward/byte_range.hpp"
#include "http/body.hpp"
#include "store/content_store.hpp"

/// Text as `cache.compression` keeps it: zstd frames one behind the other, each of kFrameBytes of text but the last,
/// then a skippable frame with the size of each, four bytes with the least first. So a reader has one frame in memory,
/// and a range costs no more than the frames it lies in. `zstd -d` reads it, too.
namespace propeller::forward::compressed_text {

inline constexpr std::size_t kFrameBytes = 64 * 1024;
/// A file takes a page on the disk, however short it is.
inline constexpr std::uint64_t kTextBytesMin = 4 * 1024 + 1;
/// What is larger is no page or document any more.
inline constexpr std::uint64_t kTextBytesMax = 8 * 1024 * 1024;

/// The same text in a blob of its own. Null: that would save less than an eighth, it cannot be kept, somebody else is
/// at it, or the text has not the size for it.
///
/// Bound:    a frame in memory; compressing one takes a core a third of a millisecond.
/// Lifetime: the store outlives the call.
[[nodiscard]] async::awaitable<std::shared_ptr<const store::OpenBlob>> compress(
    store::ContentStore& store, std::shared_ptr<const store::OpenBlob> text);

/// A range of the text of `blob`.
///
/// Bound:    a frame of text in memory, from the first read on.
/// Errors:   io: the blob is not `size` bytes of text in such frames.
/// Source:   RFC 8878
class Body final : public http::BodySource {
 public:
  Body(std::shared_ptr<const store::OpenBlob> blob, std::uint64_t size, ByteRange range)
      : blob_(std::move(blob)), size_(size), range_(range) {}

  async::awaitable<Result<std::string_view>> read(std::size_t max) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return range_.count; }

 private:
  [[nodiscard]] Result<void> load_sizes();
  [[nodiscard]] Result<void> load_frame(std::size_t frame);

  std::shared_ptr<const store::OpenBlob> blob_;
  const std::uint64_t size_;
  const ByteRange range_;
  std::uint64_t read_ = 0;             // of the range
  std::vector<std::uint32_t> sizes_;   // of the frames, as they are in the blob
  std::optional<std::size_t> loaded_;  // the frame whose text is in text_
  std::string text_;
};

}  // namespace propeller::forward::compressed_text
