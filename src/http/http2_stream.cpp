#include "http/http2_stream.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <utility>

#include "http/http2_connection.hpp"

namespace propeller::http {

namespace asio = async::asio;

namespace {

constexpr std::size_t kPieceBytesMax = 64 * 1024;

}  // namespace

awaitable<bool> Signal::wait(std::chrono::milliseconds patience) {
  timer_.expires_after(patience);
  boost::system::error_code error;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  co_return error == asio::error::operation_aborted;
}

Http2Stream::Http2Stream(Http2Connection& connection, std::int32_t id)
    : connection_(connection), readable_(connection.executor()), writable_(connection.executor()), id_(id) {}

Http2Stream::~Http2Stream() { connection_.consumed(id_, unreported_ + input_.size() + given_.size() - taken_); }

std::unexpected<Error> Http2Stream::broken() const {
  return fail(Code::connection_reset, connection_.origin(),
              std::string("the stream was reset: ") + nghttp2_http2_strerror(close_code_));
}

/// The window opens for what has been read.
void Http2Stream::take_back() {
  if (unreported_ > 0) connection_.consumed(id_, std::exchange(unreported_, 0));
}

Result<std::optional<std::string_view>> Http2Stream::try_take(std::size_t max) {
  take_back();
  if (taken_ == given_.size()) {
    given_ = std::exchange(input_, {});
    taken_ = 0;
  }
  if (taken_ < given_.size()) {
    const std::string_view piece = std::string_view(given_).substr(taken_, max);
    taken_ += piece.size();
    unreported_ = piece.size();
    return piece;
  }
  if (is_ended_) return std::string_view();
  if (is_closed_) return broken();
  return std::nullopt;
}

awaitable<Result<void>> Http2Stream::wait_input(std::chrono::milliseconds patience) {
  while (!has_input()) {
    if (!co_await readable_.wait(patience)) {
      co_return fail(Code::timeout, connection_.origin(), "nothing came in time");
    }
  }
  co_return Result<void>{};
}

awaitable<Result<std::string_view>> Http2Stream::read(std::size_t max, std::chrono::milliseconds patience) {
  for (;;) {
    const auto piece = try_take(max);
    if (!piece) co_return std::unexpected(piece.error());
    if (*piece) co_return **piece;
    if (auto ready = co_await wait_input(patience); !ready) co_return std::unexpected(ready.error());
  }
}

Result<std::size_t> Http2Stream::try_write(std::string_view bytes) {
  if (is_closed_) return broken();
  if (output_begin_ == output_.size()) {
    output_.clear();
    output_begin_ = 0;
  }
  const std::size_t size = std::min(bytes.size(), kOutputBytesMax - output_.size());
  output_.append(bytes.substr(0, size));
  if (size > 0) connection_.resume(id_);
  return size;
}

awaitable<Result<void>> Http2Stream::wait_room(std::chrono::milliseconds patience) {
  while (!is_closed_ && output_begin_ < output_.size()) {
    // Progress is what counts: one of many streams over a thin link gets a byte now and then.
    const std::size_t before = output_begin_;
    if (!co_await writable_.wait(patience) && before == output_begin_) {
      co_return fail(Code::timeout, connection_.origin(), "nothing was taken in time");
    }
  }
  if (is_closed_) co_return broken();
  co_return Result<void>{};
}

awaitable<Result<void>> Http2Stream::write(std::string_view bytes, std::chrono::milliseconds patience) {
  for (;;) {
    const auto written = try_write(bytes);
    if (!written) co_return std::unexpected(written.error());
    bytes.remove_prefix(*written);
    if (bytes.empty()) co_return Result<void>{};
    if (auto ready = co_await wait_room(patience); !ready) co_return ready;
  }
}

void Http2Stream::end_output(FieldView trailers) {
  if (is_output_ended_) return;
  output_trailers_.assign(trailers);
  is_output_ended_ = true;
  if (!is_closed_) connection_.resume(id_);
}

awaitable<Result<void>> Http2Stream::wait_sent(std::chrono::milliseconds patience) {
  while (!is_sent_ && !is_closed_) {
    const std::size_t before = output_begin_;
    if (!co_await writable_.wait(patience) && before == output_begin_) {
      co_return fail(Code::timeout, connection_.origin(), "nothing was taken in time");
    }
  }
  if (!is_sent_) co_return broken();
  co_return Result<void>{};
}

void Http2Stream::reset(std::uint32_t code) {
  if (!is_closed_) connection_.reset_stream(id_, code);
}

awaitable<Result<void>> Http2Stream::send(BodySource& body, std::chrono::milliseconds patience) {
  const auto length = body.length();
  std::uint64_t sent_bytes = 0;
  for (;;) {
    const auto piece = co_await body.read(kPieceBytesMax);
    Result<void> sent;
    if (!piece) {
      sent = std::unexpected(piece.error());
    } else {
      sent_bytes += piece->size();
      if (length && (sent_bytes > *length || (piece->empty() && sent_bytes < *length))) {
        sent = fail(Code::protocol_error, Origin::internal, "a body is not as long as it said");
      } else if (piece->empty()) {
        end_output(body.trailers());
        co_return Result<void>{};
      } else {
        sent = co_await write(*piece, patience);
      }
    }
    if (!sent) {
      reset(NGHTTP2_INTERNAL_ERROR);
      co_return sent;
    }
  }
}

void Http2Stream::received(std::string_view bytes) {
  input_ += bytes;
  readable_.notify();
}

void Http2Stream::input_ended() {
  is_ended_ = true;
  readable_.notify();
}

std::int64_t Http2Stream::produce(std::uint8_t* room, std::size_t size, std::uint32_t& flags) {
  const std::size_t count = std::min(size, output_.size() - output_begin_);
  std::memcpy(room, output_.data() + output_begin_, count);
  output_begin_ += count;
  const bool is_empty = output_begin_ == output_.size();
  if (is_empty) writable_.notify();
  if (is_empty && is_output_ended_) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!output_trailers_.empty() && connection_.submit_trailers(id_, output_trailers_)) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
  } else if (count == 0) {
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<std::int64_t>(count);
}

void Http2Stream::closed(std::uint32_t code) {
  is_closed_ = true;
  close_code_ = code;
  // What nobody will read any more must not keep the connection's window shut.
  if (!is_ended_) {
    unreported_ += std::exchange(input_, {}).size() + given_.size() - taken_;
    taken_ = given_.size();
  }
  take_back();
  readable_.notify();
  writable_.notify();
}

}  // namespace propeller::http
