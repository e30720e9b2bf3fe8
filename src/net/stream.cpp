#include "net/stream.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "base/assert.hpp"

namespace propeller::net {

namespace {

using async::awaitable;

// A peer that is always ready must not keep its neighbours on this core waiting.
constexpr std::uint32_t kTurnsMax = 16;
// Parts that are left after an incomplete write are gathered again in groups of this many.
constexpr std::size_t kPartsMax = 16;
constexpr std::size_t kFileBufferBytes = 64 * 1024;

}  // namespace

Stream::Stream(StreamInfo info, Origin origin) : info_(std::move(info)), origin_(origin) {}

void Stream::set_endpoints(boost::asio::ip::tcp::endpoint local, boost::asio::ip::tcp::endpoint peer) {
  info_.local = local;
  info_.peer = peer;
}

void Stream::unread(std::string_view bytes) {
  unread_.replace(0, unread_begin_, bytes);
  unread_begin_ = 0;
}

bool Stream::has_input() { return unread_begin_ < unread_.size() || has_arrived(); }

Result<std::optional<std::size_t>> Stream::try_read(std::span<char> room) {
  ASSERT(!room.empty());
  if (unread_begin_ == unread_.size()) return receive_now(room);
  const auto count = unread_.copy(room.data(), room.size(), unread_begin_);
  unread_begin_ += count;
  if (unread_begin_ == unread_.size()) {
    // Given back, not only cleared or assigned to, which keeps the room: an idle connection keeps nothing.
    std::string().swap(unread_);
    unread_begin_ = 0;
  }
  return count;
}

Result<std::size_t> Stream::try_write(std::span<const std::string_view> parts) { return send_now(parts); }

awaitable<Result<void>> Stream::no_wait() { co_return Result<void>{}; }

// No coroutine: one less in every connection that waits.
awaitable<Result<void>> Stream::wait_input() { return unread_begin_ < unread_.size() ? no_wait() : wait_readable(); }

awaitable<void> Stream::let_others_run(std::uint32_t& without_waiting) {
  without_waiting = 0;
  co_await boost::asio::post(executor(), boost::asio::use_awaitable);
}

awaitable<Result<std::size_t>> Stream::read_some(std::span<char> room) {
  for (;;) {
    const auto got = try_read(room);
    if (!got) co_return std::unexpected(got.error());
    if (*got) {
      if (++reads_without_waiting_ >= kTurnsMax) co_await let_others_run(reads_without_waiting_);
      co_return **got;
    }
    reads_without_waiting_ = 0;
    if (auto ready = co_await wait_readable(); !ready) co_return std::unexpected(std::move(ready.error()));
  }
}

awaitable<Result<void>> Stream::write(std::string_view bytes) {
  const std::array parts{bytes};
  co_return co_await write(parts);
}

awaitable<Result<void>> Stream::write(std::span<const std::string_view> parts) {
  std::array<std::string_view, kPartsMax> rest;
  auto now = parts.first(std::min(parts.size(), kPartsMax));
  parts = parts.subspan(now.size());
  while (!now.empty() || !parts.empty()) {
    const auto sent = send_now(now);
    if (!sent) co_return std::unexpected(sent.error());
    auto left = *sent;
    while (!now.empty() && left >= now.front().size()) {
      left -= now.front().size();
      now = now.subspan(1);
    }
    if (++writes_without_waiting_ >= kTurnsMax) co_await let_others_run(writes_without_waiting_);
    if (now.empty()) {
      now = parts.first(std::min(parts.size(), kPartsMax));
      parts = parts.subspan(now.size());
      continue;
    }
    const auto count = static_cast<std::size_t>(std::ranges::copy(now, rest.begin()).out - rest.begin());
    rest.front().remove_prefix(left);
    now = std::span(rest).first(count);
    if (*sent != 0) continue;
    writes_without_waiting_ = 0;
    if (auto ready = co_await wait_writable(); !ready) co_return ready;
  }
  co_return Result<void>{};
}

awaitable<Result<void>> Stream::send_file(int file, std::uint64_t offset, std::uint64_t count) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(std::min<std::uint64_t>(count, kFileBufferBytes));
  while (count > 0) {
    const auto wanted = std::min<std::uint64_t>(count, kFileBufferBytes);
    const auto got = ::pread(file, buffer.get(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      co_return fail(Code::io, Origin::internal,
                     got == 0 ? "the file is shorter than it was" : "the file cannot be read");
    if (auto sent = co_await write({buffer.get(), static_cast<std::size_t>(got)}); !sent) co_return sent;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::uint64_t>(got);
  }
  co_return Result<void>{};
}

}  // namespace propeller::net
