#pragma once

#include "http/http2_stream.hpp"
#include "net/stream.hpp"

namespace propeller::http {

/// A stream of HTTP/2 as a connection of its own, after CONNECT.
///
/// Lifetime: within the life of the stream it goes through.
/// Source:   RFC 9113 section 8.5
class Http2Tunnel final : public net::Stream {
 public:
  Http2Tunnel(Http2Stream& stream, const async::asio::any_io_executor& executor, const net::StreamInfo& info,
              Origin origin)
      : net::Stream(info, origin), stream_(stream), executor_(executor) {}

  [[nodiscard]] awaitable<Result<void>> shutdown_write() override;
  void close() override;
  void reset() override;
  [[nodiscard]] const async::asio::any_io_executor& executor() override { return executor_; }
  void set_timeouts(net::Timeouts timeouts) override { timeouts_ = timeouts; }
  void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) override {
    read_deadline_ = deadline;
  }

 private:
  Result<std::optional<std::size_t>> receive_now(std::span<char> room) override;
  Result<std::size_t> send_now(std::span<const std::string_view> parts) override;
  awaitable<Result<void>> wait_readable() override;
  awaitable<Result<void>> wait_writable() override;
  bool has_arrived() override { return stream_.has_input(); }

  Http2Stream& stream_;
  const async::asio::any_io_executor executor_;
  net::Timeouts timeouts_;
  std::optional<std::chrono::steady_clock::time_point> read_deadline_;
};

}  // namespace propeller::http
