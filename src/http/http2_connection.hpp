#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "async/task_group.hpp"
#include "http/http2_stream.hpp"
#include "http/server.hpp"
#include "net/stream.hpp"

namespace propeller::http {

struct Http2Options {
  Http2Limits limits;
  ParseLimits parse;
  std::chrono::milliseconds head_timeout;   ///< for a block of fields from its first frame to its last
  std::chrono::milliseconds idle_timeout;   ///< without a stream
  std::chrono::milliseconds write_timeout;  ///< without a byte taken by the peer
};

/// The frames of one HTTP/2 connection, of either side: nghttp2 keeps the protocol's state, this moves the bytes, knows
/// the streams and holds the peer to its bounds.
///
/// Bound:    Http2Limits; frames that make work without asking for any are counted, and too many end the connection.
/// Errors:   of the stream below, or of the protocol: run() returns, and every stream is closed.
/// Threads:  one core.
/// Lifetime: outlives its streams' users.
/// Source:   RFC 9113
class Http2Connection {
 public:
  enum class Role { server, client };
  static constexpr std::chrono::seconds kControlWindow{10};

  Http2Connection(net::Stream& stream, Role role, const Http2Options& options);
  virtual ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  /// Until the connection is over. What it starts goes into `tasks`.
  [[nodiscard]] awaitable<void> run(async::TaskGroup& tasks);
  /// No new streams; over when the last one is.
  void wind_down();
  [[nodiscard]] bool is_winding_down() const { return is_winding_down_; }
  [[nodiscard]] bool is_over() const { return is_over_; }
  /// Closes every stream, at once.
  void close_streams(std::uint32_t code);

  [[nodiscard]] const async::asio::any_io_executor& executor() const { return stream_.executor(); }
  [[nodiscard]] Origin origin() const { return stream_.origin(); }
  [[nodiscard]] const net::StreamInfo& info() const { return stream_.info(); }
  [[nodiscard]] std::size_t streams() const { return streams_.size(); }

  // For the streams.
  void consumed(std::int32_t id, std::size_t bytes);
  void resume(std::int32_t id);
  void reset_stream(std::int32_t id, std::uint32_t code);
  bool submit_trailers(std::int32_t id, FieldView trailers);

 protected:
  /// A stream that the peer opens. None: it is refused.
  virtual std::shared_ptr<Http2Stream> opened(std::int32_t id) = 0;
  virtual void stream_closed(Http2Stream&) {}
  void keep(const std::shared_ptr<Http2Stream>& stream) { streams_.emplace(stream->id(), stream); }
  void wake_writer() { writable_.notify(); }
  static nghttp2_data_provider data_provider();

  nghttp2_session* session_ = nullptr;
  net::Stream& stream_;
  const Http2Options options_;

 private:
  struct Callbacks;
  friend struct Callbacks;
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] std::shared_ptr<Http2Stream> find(std::int32_t id) const;
  void submit_settings();
  awaitable<void> read_all();
  awaitable<void> write_all();
  awaitable<void> watch();
  [[nodiscard]] bool count_control_frame();
  void bound_block();
  void forget_block(std::int32_t id);

  const Role role_;
  std::unordered_map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;
  Signal writable_, written_;
  Clock::time_point last_active_ = Clock::now(), control_window_begin_ = Clock::now();
  std::uint32_t control_frames_ = 0;
  std::int32_t block_id_ = 0;    ///< of the stream whose block of fields is coming in; 0: none
  std::int32_t bounded_id_ = 0;  ///< the one that the read deadline is for
  bool is_winding_down_ = false, is_over_ = false, is_reading_over_ = false, is_writing_over_ = false;
};

}  // namespace propeller::http
