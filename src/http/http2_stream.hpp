#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/body.hpp"
#include "http/http2_head.hpp"

namespace propeller::http {

class Http2Connection;

/// Wakes one waiting coroutine, or lets it go on when its time is over.
class Signal {
 public:
  explicit Signal(const async::asio::any_io_executor& executor) : timer_(executor) {}
  void notify() { timer_.cancel(); }
  /// False when the time is over. Cancellation unwinds. The condition is looked at before and after, as with Event.
  [[nodiscard]] awaitable<bool> wait(std::chrono::milliseconds patience);

 private:
  async::asio::steady_timer timer_;
};

/// One stream of an HTTP/2 connection: what came and was not taken, what is to go and was not sent.
///
/// Bound:    input by the stream's window, which opens as bytes are taken; output by kOutputBytesMax.
/// Pressure: both: who does not read closes the window, who writes waits for room.
/// Errors:   connection_reset when the stream or its connection ended, timeout.
/// Threads:  one core; one reader and one writer.
/// Lifetime: shared by the connection, until the stream is closed, and by whoever works with it; the connection
/// outlives
///           it.
class Http2Stream {
 public:
  static constexpr std::size_t kOutputBytesMax = 64 * 1024;

  Http2Stream(Http2Connection& connection, std::int32_t id);
  /// What came and nobody has read is given back to the connection's window.
  virtual ~Http2Stream();
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  [[nodiscard]] std::int32_t id() const { return id_; }
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] std::uint32_t close_code() const { return close_code_; }

  // Input
  /// At least one byte of at most `max`, or none at the end. Valid until the next call.
  [[nodiscard]] awaitable<Result<std::string_view>> read(std::size_t max, std::chrono::milliseconds patience);
  [[nodiscard]] bool has_input() const { return !input_.empty() || taken_ < given_.size() || is_ended_ || is_closed_; }
  [[nodiscard]] bool is_input_over() const { return is_ended_ && input_.empty() && taken_ == given_.size(); }
  [[nodiscard]] Result<std::optional<std::string_view>> try_take(std::size_t max);
  [[nodiscard]] awaitable<Result<void>> wait_input(std::chrono::milliseconds patience);
  [[nodiscard]] FieldView trailers() const { return trailers_; }

  // Output
  /// How much of it found room.
  [[nodiscard]] Result<std::size_t> try_write(std::string_view bytes);
  [[nodiscard]] awaitable<Result<void>> wait_room(std::chrono::milliseconds patience);
  [[nodiscard]] awaitable<Result<void>> write(std::string_view bytes, std::chrono::milliseconds patience);
  void end_output(FieldView trailers);
  [[nodiscard]] bool is_output_ended() const { return is_output_ended_; }
  /// Until the last frame of the output has been handed to the connection.
  [[nodiscard]] awaitable<Result<void>> wait_sent(std::chrono::milliseconds patience);
  void reset(std::uint32_t code);
  /// The whole of a body, with its trailers. Errors: also those of the body, after which the stream was reset.
  [[nodiscard]] awaitable<Result<void>> send(BodySource& body, std::chrono::milliseconds patience);

  // What the connection tells.
  /// The one that comes in now.
  Http2Block& block() { return is_head_kept_ ? trailer_block_ : block_; }
  virtual void block_complete() = 0;
  void received(std::string_view bytes);
  void input_ended();
  void set_trailers() { trailers_ = block().fields(); }
  [[nodiscard]] std::int64_t produce(std::uint8_t* room, std::size_t size, std::uint32_t& flags);
  void sent_last() {
    is_sent_ = true;
    writable_.notify();
  }
  void closed(std::uint32_t code);

 protected:
  [[nodiscard]] std::unexpected<Error> broken() const;
  /// Somebody has views into the block that has come: trailers go elsewhere.
  void keep_head() { is_head_kept_ = true; }
  Http2Connection& connection_;
  Http2Block block_;
  Signal readable_, writable_;

 private:
  void take_back();

  std::int32_t id_;
  Http2Block trailer_block_;
  std::string input_, given_, output_;
  std::size_t taken_ = 0, unreported_ = 0, output_begin_ = 0;
  Fields trailers_, output_trailers_;
  std::uint32_t close_code_ = 0;
  bool is_ended_ = false, is_closed_ = false, is_output_ended_ = false, is_sent_ = false, is_head_kept_ = false;
};

}  // namespace propeller::http
