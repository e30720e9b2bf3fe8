#include "forward/compressed_text.hpp"

#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>

namespace propeller::forward::compressed_text {

namespace {

/// Of thirty levels the one that makes half of most text, at 200 MB/s.
constexpr int kLevel = 3;

/// The first of the sixteen that RFC 8878 has for frames that decompressors pass over; the length comes next.
constexpr std::uint32_t kTableMagic = 0x184D2A50;
constexpr std::size_t kSizeBytes = 4, kTableHeadBytes = 8;

struct Delete {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

/// What a thread needs for one frame at a time.
struct Workshop {
  std::unique_ptr<ZSTD_CCtx, Delete> compressor{ZSTD_createCCtx()};
  std::unique_ptr<ZSTD_DCtx, Delete> decompressor{ZSTD_createDCtx()};
  std::vector<char> input = std::vector<char>(ZSTD_compressBound(kFrameBytes));
};
Workshop& workshop() {
  thread_local Workshop own;
  return own;
}

/// At most `count` bytes from `offset` on, in memory or in `buffer`. Empty: there are none, or the disk fails.
std::string_view piece_of(const store::OpenBlob& blob, std::uint64_t offset, std::size_t count, char* buffer) {
  if (const auto bytes = blob.bytes(); !bytes.empty()) return bytes.substr(std::min(offset, bytes.size()), count);
  ssize_t got = 0;
  do {
    got = ::pread(blob.fd(), buffer, count, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return {buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

std::string compressed(std::string_view text) {
  auto& compressor = workshop().compressor;
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  const auto size = ZSTD_compressCCtx(compressor.get(), frame.data(), frame.size(), text.data(), text.size(), kLevel);
  frame.resize(ZSTD_isError(size) != 0 ? 0 : size);
  return frame;
}

void append_number(std::string& to, std::size_t number) {
  for (std::size_t i = 0; i < kSizeBytes; ++i) to += static_cast<char>(number >> (8 * i) & 0xff);
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < kSizeBytes; ++i)
    number |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return number;
}

std::string table_of(std::string_view sizes) {
  std::string table;
  append_number(table, kTableMagic);
  append_number(table, sizes.size());
  return table.append(sizes);
}

Error damaged() { return {Code::io, Origin::internal, "compressed text in the store is damaged"}; }

}  // namespace

async::awaitable<std::shared_ptr<const store::OpenBlob>> compress(store::ContentStore& store,
                                                                  std::shared_ptr<const store::OpenBlob> text) {
  if (text->size() < kTextBytesMin || text->size() > kTextBytesMax) co_return nullptr;
  auto joined = co_await store.join({.key = "zstd " + text->digest().to_string()});
  if (!joined || !joined->writer) co_return nullptr;
  joined->reader.reset();
  auto& writer = *joined->writer;
  if (!co_await writer.begin({})) co_return nullptr;
  const auto bytes_max = text->size() - text->size() / 8;
  std::string buffer(kFrameBytes, '\0');
  std::string sizes;
  for (std::uint64_t at = 0; at < text->size(); at += kFrameBytes) {
    const auto wanted = std::min<std::uint64_t>(kFrameBytes, text->size() - at);
    const auto piece = piece_of(*text, at, wanted, buffer.data());
    if (piece.size() != wanted) co_return nullptr;
    const auto frame = compressed(piece);
    if (frame.empty() || writer.offset() + frame.size() > bytes_max) co_return nullptr;
    if (!co_await writer.write(frame)) co_return nullptr;
    append_number(sizes, frame.size());
  }
  if (!co_await writer.write(table_of(sizes))) co_return nullptr;
  auto blob = co_await writer.finish();
  co_return blob ? std::move(*blob) : nullptr;
}

Result<void> Body::load_sizes() {
  const std::size_t count = (size_ + kFrameBytes - 1) / kFrameBytes;
  const std::size_t table_size = kTableHeadBytes + count * kSizeBytes;
  if (blob_->size() < table_size) return std::unexpected(damaged());
  std::string buffer(table_size, '\0');
  const auto table = piece_of(*blob_, blob_->size() - table_size, table_size, buffer.data());
  if (table.size() != table_size || number_at(table, 0) != kTableMagic) return std::unexpected(damaged());
  for (std::size_t at = kTableHeadBytes; at < table_size; at += kSizeBytes) sizes_.push_back(number_at(table, at));
  return {};
}

Result<void> Body::load_frame(std::size_t frame) {
  auto& [compressor, decompressor, input] = workshop();
  const auto offset = std::accumulate(sizes_.begin(), sizes_.begin() + static_cast<std::ptrdiff_t>(frame), 0ULL);
  if (sizes_[frame] > input.size()) return std::unexpected(damaged());
  const auto bytes = piece_of(*blob_, offset, sizes_[frame], input.data());
  text_.resize(std::min<std::uint64_t>(kFrameBytes, size_ - frame * kFrameBytes));
  const auto size = ZSTD_decompressDCtx(decompressor.get(), text_.data(), text_.size(), bytes.data(), bytes.size());
  if (size != text_.size()) return std::unexpected(damaged());
  loaded_ = frame;
  return {};
}

async::awaitable<Result<std::string_view>> Body::read(std::size_t max) {
  if (read_ == range_.count) {
    text_ = {};
    co_return std::string_view();
  }
  if (sizes_.empty()) {
    if (auto loaded = load_sizes(); !loaded) co_return std::unexpected(loaded.error());
  }
  const auto at = range_.offset + read_;
  const std::size_t frame = at / kFrameBytes;
  if (loaded_ != frame) {
    if (auto loaded = load_frame(frame); !loaded) co_return std::unexpected(loaded.error());
  }
  const auto piece =
      std::string_view(text_).substr(at % kFrameBytes, std::min<std::uint64_t>(max, range_.count - read_));
  read_ += piece.size();
  co_return piece;
}

}  // namespace propeller::forward::compressed_text
