#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "async/core.hpp"
#include "net/stream.hpp"

namespace propeller::http {

using async::awaitable;

/// The bytes of an HTTP/1 connection between the stream and those who understand them: heads in one contiguous buffer
/// that stays where it is while a message is worked on, bodies beside it.
///
/// Bound:    what its user asks to be read: a head up to ParseLimits, a body in pieces of kBodyBufferBytes, or of up to
///           kBodyBufferBytesMax where more is asked for. Between messages it holds nothing but what came too early.
/// Lifetime: the head's text until end_message(); body input until the next fill_body().
class ConnectionReader {
 public:
  static constexpr std::size_t kBodyBufferBytes = 64 * 1024;
  static constexpr std::size_t kBodyBufferBytesMax = 128 * 1024;
  static constexpr std::size_t kFirstReadBytes = 4096;

  explicit ConnectionReader(net::Stream& stream) : stream_(stream) {}

  /// What came of the next message.
  [[nodiscard]] std::string_view buffered() const { return {head_.get(), filled_}; }
  /// What is there without waiting goes behind buffered(): its size, 0 for the end, nothing when nothing is there.
  [[nodiscard]] Result<std::optional<std::size_t>> try_fill() { return stream_.try_read(make_room()); }
  void filled(std::size_t bytes) { filled_ += bytes; }
  /// The same, waiting: 0 at the end.
  [[nodiscard]] awaitable<Result<std::size_t>> fill();

  /// The first `head_bytes` of buffered() are the head; what follows is its body.
  void begin_body(std::size_t head_bytes) { taken_ = head_bytes; }
  /// What came of the body, or behind it, and was not taken.
  [[nodiscard]] std::string_view body_input() const;
  void take_body(std::size_t bytes);
  /// Reads at most `max` bytes when body_input() is empty. 0 at the end.
  [[nodiscard]] awaitable<Result<std::size_t>> fill_body(std::size_t max);
  /// What was not taken becomes buffered(), the head is gone.
  void end_message();

  [[nodiscard]] net::Stream& stream() { return stream_; }

 private:
  std::span<char> make_room();
  void reallocate(std::size_t capacity, std::string_view kept);

  net::Stream& stream_;
  std::unique_ptr<char[]> head_, body_;
  std::size_t capacity_ = 0, filled_ = 0, taken_ = 0;
  std::size_t body_capacity_ = 0, body_begin_ = 0, body_end_ = 0;
};

}  // namespace propeller::http
