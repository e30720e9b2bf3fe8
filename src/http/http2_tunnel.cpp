#include "http/http2_tunnel.hpp"

#include <algorithm>

namespace propeller::http {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

awaitable<Result<void>> Http2Tunnel::shutdown_write() {
  stream_.end_output({});
  co_return Result<void>{};
}

void Http2Tunnel::close() {
  // An orderly end where both have ended; otherwise the other side learns that this one is gone.
  if (!stream_.is_output_ended() || !stream_.is_input_over()) stream_.reset(NGHTTP2_CANCEL);
}

void Http2Tunnel::reset() { stream_.reset(NGHTTP2_CONNECT_ERROR); }

Result<std::optional<std::size_t>> Http2Tunnel::receive_now(std::span<char> room) {
  const auto piece = stream_.try_take(room.size());
  if (!piece) return std::unexpected(piece.error());
  if (!*piece) return std::nullopt;
  std::ranges::copy(**piece, room.begin());
  return (*piece)->size();
}

Result<std::size_t> Http2Tunnel::send_now(std::span<const std::string_view> parts) {
  std::size_t total = 0;
  for (const std::string_view part : parts) {
    const auto written = stream_.try_write(part);
    if (!written) return written;
    total += *written;
    if (*written < part.size()) break;
  }
  return total;
}

awaitable<Result<void>> Http2Tunnel::wait_readable() {
  auto patience = timeouts_.read;
  if (read_deadline_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*read_deadline_ - Clock::now());
    patience = std::clamp(left, std::chrono::milliseconds(0), patience);
  }
  return stream_.wait_input(patience);
}

awaitable<Result<void>> Http2Tunnel::wait_writable() { return stream_.wait_room(timeouts_.write); }

}  // namespace propeller::http
