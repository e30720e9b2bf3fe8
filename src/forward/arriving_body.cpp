#include "forward/arriving_body.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace propeller::forward {

ArrivingBody::ArrivingBody(std::unique_ptr<store::BlobReader> reader, const store::BlobHead& head, CacheFills& fills,
                           ArrivingBodyOptions options)
    : reader_(std::move(reader)), head_(&head), fills_(fills), options_(std::move(options)), length_(head.length) {
  if (!options_.range) return;
  reader_->set_range(options_.range->offset, options_.range->count);
  length_ = options_.range->count;
}

async::awaitable<Result<std::string_view>> ArrivingBody::read(std::size_t max) {
  for (;;) {
    if (own_) co_return co_await read_alone(max);
    if (!reader_) co_return fail(Code::cancelled, Origin::internal, "read on after an error");
    auto outcome = co_await reader_->read(max);
    if (!outcome) co_return std::unexpected(outcome.error());
    if (const auto* piece = std::get_if<store::FilePiece>(&*outcome)) co_return read_file(*piece);
    if (const auto* piece = std::get_if<store::MemoryPiece>(&*outcome)) co_return piece->bytes;
    if (std::holds_alternative<store::End>(*outcome)) co_return std::string_view();
    if (auto* over = std::get_if<store::TakeOver>(&*outcome); over != nullptr && options_.may_take_over) {
      fills_.spawn({.origin = options_.origin,
                    .key = options_.key,
                    .writer = std::move(over->writer),
                    .url = options_.url,
                    .generation = options_.generation});
      continue;
    }
    // The writer that it was given but may not use goes to another reader here.
    outcome = store::End();
    if (auto alone = co_await go_alone(reader_->offset()); !alone) co_return std::unexpected(alone.error());
  }
}

async::awaitable<Result<void>> ArrivingBody::go_alone(std::uint64_t offset) {
  const store::BlobHead head = *head_;
  // Nobody has to wait for this reader any more.
  head_ = nullptr;
  reader_.reset();
  const auto end = options_.range ? options_.range->offset + options_.range->count : head.length.value_or(0);
  auto rest = co_await options_.origin->resume(head, {.offset = offset, .end = end});
  if (!rest) co_return std::unexpected(rest.error());
  own_ = std::move(*rest);
  own_left_ = end - offset;
  co_return Result<void>();
}

/// An upstream that sent the whole for a part sends more than is wanted.
async::awaitable<Result<std::string_view>> ArrivingBody::read_alone(std::size_t max) {
  const auto wanted = std::min<std::uint64_t>(max, own_left_);
  if (wanted == 0) co_return std::string_view();
  auto piece = co_await own_->read(wanted);
  if (piece) own_left_ -= piece->size();
  co_return piece;
}

// Runs on the core: it has just been written, and lies in the page cache.
Result<std::string_view> ArrivingBody::read_file(const store::FilePiece& piece) {
  if (buffer_.size() < piece.count) buffer_.resize(piece.count);
  std::size_t filled = 0;
  while (filled < piece.count) {
    const ssize_t got =
        ::pread(piece.file, buffer_.data() + filled, piece.count - filled, static_cast<off_t>(piece.offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Code::io, Origin::internal, std::string("cannot read a draft: ") + std::strerror(errno));
    if (got == 0) return fail(Code::io, Origin::internal, "a draft is shorter than what was written to it");
    filled += static_cast<std::size_t>(got);
  }
  return std::string_view(buffer_.data(), filled);
}

}  // namespace propeller::forward
