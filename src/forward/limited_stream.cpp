#include "forward/limited_stream.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace propeller::forward {

using async::awaitable;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kPartsMax = 16;

/// The first kPieceBytes of `parts`, written to `room`.
std::span<const std::string_view> first_piece(std::span<const std::string_view> parts,
                                              std::array<std::string_view, kPartsMax>& room) {
  std::size_t left = LimitedStream::kPieceBytes, count = 0;
  for (const auto part : parts.first(std::min(parts.size(), room.size()))) {
    if (left == 0) break;
    room[count] = part.substr(0, left);
    left -= room[count++].size();
  }
  return std::span(room).first(count);
}

}  // namespace

LimitedStream::LimitedStream(std::unique_ptr<net::Stream> below, BandwidthLimits& limits)
    : Stream(below->info(), below->origin()),
      below_(std::move(below)),
      client_(info().peer.address().to_string()),
      up_(below_->executor(), limits.up),
      down_(below_->executor(), limits.down) {}

void LimitedStream::pay(Direction& direction, std::uint64_t bytes) {
  const auto now = Clock::now();
  direction.paid_at = now + direction.limiter.take(client_, bytes, now);
}

awaitable<void> LimitedStream::wait_until_paid(Direction& direction) {
  if (is_closed_ || direction.paid_at <= Clock::now()) co_return;
  direction.timer.expires_at(direction.paid_at);
  co_await direction.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

Result<std::optional<std::size_t>> LimitedStream::receive_now(std::span<char> room) {
  if (!is_closed_ && up_.paid_at > Clock::now()) return std::nullopt;
  auto got = below_->try_read(room.first(std::min(room.size(), kPieceBytes)));
  if (got && *got) pay(up_, **got);
  return got;
}

Result<std::size_t> LimitedStream::send_now(std::span<const std::string_view> parts) {
  if (!is_closed_ && down_.paid_at > Clock::now()) return 0;
  std::array<std::string_view, kPartsMax> room;
  auto sent = below_->try_write(first_piece(parts, room));
  if (sent) pay(down_, *sent);
  return sent;
}

awaitable<Result<void>> LimitedStream::wait_readable() {
  co_await wait_until_paid(up_);
  co_return co_await below_->wait_input();
}

awaitable<Result<void>> LimitedStream::wait_writable() {
  co_await wait_until_paid(down_);
  co_return co_await below_->wait_output();
}

awaitable<Result<void>> LimitedStream::send_file(int file, std::uint64_t offset, std::uint64_t count) {
  while (count > 0) {
    co_await wait_until_paid(down_);
    const auto piece = std::min<std::uint64_t>(count, kPieceBytes);
    if (auto sent = co_await below_->send_file(file, offset, piece); !sent) co_return sent;
    pay(down_, piece);
    offset += piece;
    count -= piece;
  }
  co_return Result<void>{};
}

void LimitedStream::wake() {
  is_closed_ = true;
  up_.timer.cancel();
  down_.timer.cancel();
}

void LimitedStream::close() {
  wake();
  below_->close();
}

void LimitedStream::reset() {
  wake();
  below_->reset();
}

std::unique_ptr<net::Stream> limited(std::unique_ptr<net::Stream> stream, BandwidthLimits& limits) {
  if (!limits.up.is_limited()) return stream;
  return std::make_unique<LimitedStream>(std::move(stream), limits);
}

}  // namespace propeller::forward
