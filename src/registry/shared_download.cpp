#include "registry/shared_download.hpp"

#include <algorithm>
#include <utility>

namespace propeller::registry {

using Bytes = std::span<const std::byte>;

namespace {

store::BlobHead head_of(const BlobOrder& order) {
  return {.header_text = kept_fields("application/octet-stream", order.digest), .length = order.size};
}

}  // namespace

SharedDownload::SharedDownload(Parts parts, BlobOrder order, Url url, std::string key)
    : parts_(parts), order_(std::move(order)), url_(std::move(url)), key_(std::move(key)) {}

async::awaitable<Result<void>> SharedDownload::open() {
  auto joined = co_await parts_.kept.join(key_, order_.digest);
  reader_ = std::move(joined.reader);
  writer_ = std::move(joined.writer);
  if (reader_ && !writer_ && co_await follow()) co_return Result<void>{};
  reader_.reset();
  // What was on its way a moment ago may be there by now.
  auto kept = co_await parts_.kept.find_blob(key_);
  if (!kept && writer_) kept = co_await parts_.kept.bring_blob(key_, order_.digest);
  if (kept && kept->digest() == order_.digest && kept->size() == order_.size) {
    if (writer_) std::exchange(writer_, nullptr)->decline();
    kept_ = std::move(kept);
    co_return Result<void>{};
  }
  co_return co_await lead();
}

/// Whether it is what we want, and comes.
async::awaitable<bool> SharedDownload::follow() {
  const auto outcome = co_await reader_->head(std::chrono::steady_clock::now() + parts_.head_patience);
  const auto* head = outcome ? std::get_if<const store::BlobHead*>(&*outcome) : nullptr;
  // Nobody who got a writer here keeps it: it goes to the next reader once we have left.
  const bool is_ours =
      head != nullptr && (*head)->status == 200 && (*head)->note.empty() && (*head)->length == order_.size;
  if (!is_ours) reader_.reset();
  co_return is_ours;
}

async::awaitable<Result<void>> SharedDownload::lead() {
  download_ = std::make_unique<BlobDownload>(parts_.fetcher, order_, BlobDownload::Received{});
  auto opened = co_await download_->open();
  if (!writer_) co_return opened;
  // A login may have come in between, and the answer with it.
  const auto login = co_await parts_.credentials.find(url_);
  if (!opened || !login || !login->empty()) {
    std::exchange(writer_, nullptr)->decline();
    co_return opened;
  }
  co_return Result<void>{};
}

async::awaitable<Result<void>> SharedDownload::go_alone() {
  download_ = std::make_unique<BlobDownload>(parts_.fetcher, order_, std::move(received_));
  co_return co_await download_->open();
}

async::awaitable<Result<Bytes>> SharedDownload::read(std::size_t bytes_max) {
  if (kept_ || reader_) {
    std::optional<Bytes> piece;
    if (kept_) {
      piece = co_await read_kept(bytes_max);
    } else {
      piece = co_await read_along(bytes_max);
    }
    if (piece) co_return *piece;
    kept_.reset();
    reader_.reset();
    // At the end, too: what another has checked was perhaps not against our digest, so ours has the last word.
    if (auto alone = co_await go_alone(); !alone) co_return std::unexpected(alone.error());
  }
  auto bytes = co_await download_->read(bytes_max);
  if (!writer_) co_return bytes;
  if (!bytes) {
    // Wrong bytes would be wrong for whoever follows. Any other failure is ours: one of them goes on.
    const auto writer = std::move(writer_);
    share_.reset();
    if (bytes.error().code == Code::digest_mismatch) writer->fail(bytes.error());
  } else if (bytes->empty()) {
    parts_.kept.publish({.writer = std::move(writer_),
                         .share = std::move(share_),
                         .key = key_,
                         .rest = std::move(unwritten_),
                         .head = head_of(order_),
                         .is_for_everybody = true});
  } else {
    co_await hand_on(*bytes);
  }
  co_return bytes;
}

/// Small blobs are not written before the caller has all of them.
async::awaitable<void> SharedDownload::hand_on(Bytes bytes) {
  if (!share_) share_ = parts_.kept.share();
  if (!share_) {
    std::exchange(writer_, nullptr)->decline();
    co_return;
  }
  unwritten_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (unwritten_.size() < share_->piece_bytes() && writer_->reader_count() == 0) co_return;
  auto written = Result<void>{};
  if (writer_->head() == nullptr) written = co_await writer_->begin(head_of(order_));
  if (written) written = co_await writer_->write(unwritten_);
  unwritten_.clear();
  if (written) co_return;
  writer_.reset();
  share_.reset();
  unwritten_.shrink_to_fit();
}

/// Nothing: the rest does not come from there, be it all or a file that cannot be read.
async::awaitable<std::optional<Bytes>> SharedDownload::read_kept(std::size_t bytes_max) {
  const auto count = std::min<std::uint64_t>(bytes_max, kept_->size() - received_.bytes);
  if (count == 0) co_return std::nullopt;
  co_return co_await read_piece({.file = kept_->fd(), .offset = received_.bytes, .count = count});
}

/// Nothing: the rest does not come from there. Whatever went wrong may be that one's own trouble (an upstream that
/// does not resume, a disk), or another digest that it was told to expect.
async::awaitable<std::optional<Bytes>> SharedDownload::read_along(std::size_t bytes_max) {
  const auto deadline = std::chrono::steady_clock::now() + order_.stall_timeout;
  const auto outcome = co_await reader_->read(bytes_max, deadline);
  if (!outcome) co_return std::nullopt;
  // Bytes that are not kept would wait for us, and we may be waiting for our broker. A writer in hand is for whoever
  // else reads there.
  const auto* file = std::get_if<store::FilePiece>(&*outcome);
  if (file == nullptr) co_return std::nullopt;
  co_return co_await read_piece(*file);
}

async::awaitable<std::optional<Bytes>> SharedDownload::read_piece(store::FilePiece piece) {
  auto bytes = co_await parts_.kept.read_piece(piece);
  if (!bytes) co_return std::nullopt;
  buffer_ = std::move(*bytes);
  co_return take();
}

/// The buffer, when it is not more than was ordered.
std::optional<Bytes> SharedDownload::take() {
  if (buffer_.size() > order_.size - received_.bytes) return std::nullopt;
  const auto taken = std::as_bytes(std::span(buffer_));
  received_.hash.update(taken);
  received_.bytes += taken.size();
  return taken;
}

}  // namespace propeller::registry
