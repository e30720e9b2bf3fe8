#include "http/http1_session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "http/forwarding.hpp"

namespace propeller::http {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPrefaceLine = "PRI * HTTP/2.0\r\n";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kPieceBytesMax = 64 * 1024;
constexpr std::size_t kLingerBytesMax = 1024 * 1024;
/// A file as small as this is read and sent in the head's write: one system call for two.
constexpr std::uint64_t kSmallFileBytes = 16 * 1024;

bool is_takeover_status(Method method, int status) {
  return status == 101 || (method == Method::connect && status >= 200 && status < 300);
}

}  // namespace

awaitable<void> Http1Session::run() {
  is_over_ = !read_now();
  while (!is_over_ && !reader_.buffered().empty()) {
    co_await serve_one();
    reader_.end_message();
  }
}

/// What is there without waiting. False at the connection's end.
bool Http1Session::read_now() {
  const auto got = reader_.try_fill();
  if (!got || *got == 0) return false;
  reader_.filled(got->value_or(0));
  return true;
}

/// Whether the head is there, as far as that can be told without waiting.
std::expected<bool, Refusal> Http1Session::find_head() {
  const auto found = finder_.find(reader_.buffered(), limits_.parse);
  if (!found) return std::unexpected(found.error());
  head_bytes_ = *found;
  return head_bytes_ > 0;
}

/// The rest of a head that has begun, with one deadline for all of it, however slowly its bytes come. False: there is
/// nothing more to do.
awaitable<bool> Http1Session::await_head() {
  stream_.set_read_deadline(Clock::now() + limits_.head_timeout);
  for (;;) {
    const auto got = co_await reader_.fill();
    if (!got && got.error().code == Code::timeout) co_await refuse({408, "the request came too slowly"});
    if (!got || *got == 0) co_return false;
    const auto found = find_head();
    if (!found) co_await refuse(found.error());
    if (!found) co_return false;
    if (*found) break;
  }
  stream_.set_read_deadline(std::nullopt);
  co_return true;
}

/// Whatever ends before the answer ends the connection.
awaitable<void> Http1Session::serve_one() {
  is_over_ = true;
  finder_.reset();
  const auto found = find_head();
  if (!found) co_return co_await refuse(found.error());
  if (!*found && !co_await await_head()) co_return;
  if (connection_.served == 0 && reader_.buffered().starts_with(kPrefaceLine)) {
    is_http2_wanted_ = true;
    co_return stream_.unread(reader_.buffered());
  }
  const auto parsed = parse_request(reader_.buffered().substr(0, head_bytes_), limits_.parse, fields_);
  if (!parsed) co_return co_await refuse(parsed.error());
  head_ = parsed->head;
  is_keep_alive_ = parsed->is_keep_alive;
  is_continue_due_ = parsed->expects_continue;
  is_continue_refused_ = false;
  reader_.begin_body(head_bytes_);
  framed_.begin(parsed->framing);
  if (parsed->framing.kind == BodyFraming::Kind::length && parsed->framing.length > limits_.body_bytes_max)
    co_return co_await refuse({413, "the body is too large"});
  ++connection_.served;
  ++figures_.requests;
  is_over_ = co_await answer(co_await handler_.handle(*this)) == Next::end;
}

awaitable<Http1Session::Next> Http1Session::answer(Response response) {
  if (response.takeover && is_takeover_status(head_.method, response.status)) co_return co_await hand_over(response);
  // The client waits for a 100 that will not come, and may or may not send its body: the next request could not be told
  // from it.
  is_continue_refused_ = is_continue_due_;
  is_continue_due_ = false;
  const bool is_final = is_last(response);
  const auto sent = co_await send(response, is_final);
  if (!sent) {
    ++figures_.broken;
    stream_.reset();
    co_return Next::end;
  }
  if (tasks_.size() > 0) {
    // Whoever still sends the request's body to an upstream that has answered already.
    tasks_.cancel();
    co_await tasks_.join();
  }
  // The usual case is no coroutine of its own.
  if (is_final || !is_keep_alive_ || is_body_left()) co_return co_await after_response(is_final);
  co_return next_request();
}

bool Http1Session::is_last(const Response& response) const {
  return !is_keep_alive_ || response.is_last || is_draining_ || is_continue_refused_ || framed_.is_broken() ||
         connection_.served >= limits_.requests_max || head_.method == Method::connect;
}

awaitable<Result<void>> Http1Session::send(Response& response, bool is_last) {
  BodySource* const body = response.body.get();
  const auto length = body != nullptr ? body->length() : std::uint64_t{0};
  const bool has_body = head_.method != Method::head && may_have_body(response.status);
  const bool is_chunked = !length && has_body && head_.version == Version::http_1_1;
  const bool is_until_close = !length && has_body && !is_chunked;
  HeadFraming framing{.is_chunked = is_chunked, .date = connection_.date.now()};
  // A 204 has no Content-Length; a 304 and an answer to HEAD have one where it is known.
  const bool may_have_length = has_body || head_.method == Method::head || response.status == 304;
  if (may_have_length && (has_body || body != nullptr)) framing.content_length = length;
  if (is_last || is_until_close) {
    framing.connection = "close";
    is_keep_alive_ = false;
  } else if (head_.version == Version::http_1_0) {
    framing.connection = "keep-alive";
  }
  out_.clear();
  write_response_head(out_, response.status, reason_phrase(response.status), response.fields, framing);
  if (!has_body || body == nullptr) co_return co_await stream_.write(out_);
  if (const auto bytes = body->memory()) {
    const std::array<std::string_view, 2> parts{out_, *bytes};
    co_return co_await stream_.write(std::span(parts).first(bytes->empty() ? 1 : 2));
  }
  if (const auto range = body->file_range()) {
    if (range->count <= kSmallFileBytes) co_return co_await send_small_file(*range);
    if (auto sent = co_await stream_.write(out_); !sent) co_return sent;
    co_return co_await stream_.send_file(range->file, range->offset, range->count);
  }
  if (auto sent = co_await stream_.write(out_); !sent) co_return sent;
  co_return co_await send_pieces(*body, length, is_chunked);
}

awaitable<Result<void>> Http1Session::send_small_file(const FileRange& range) {
  const std::size_t head_bytes = out_.size();
  out_.resize(head_bytes + range.count);
  std::size_t filled = head_bytes;
  while (filled < out_.size()) {
    const auto offset = range.offset + (filled - head_bytes);
    const ssize_t got = ::pread(range.file, out_.data() + filled, out_.size() - filled, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) co_return fail(Code::io, Origin::internal, "a body's file cannot be read, or is too short");
    filled += static_cast<std::size_t>(got);
  }
  co_return co_await stream_.write(out_);
}

awaitable<Result<void>> Http1Session::send_pieces(BodySource& body, std::optional<std::uint64_t> length,
                                                  bool is_chunked) {
  char chunk_head[kChunkHeadBytesMax];
  std::uint64_t sent_bytes = 0;
  for (;;) {
    const auto piece = co_await body.read(kPieceBytesMax);
    if (!piece) co_return std::unexpected(piece.error());
    sent_bytes += piece->size();
    if (length && (sent_bytes > *length || (piece->empty() && sent_bytes < *length))) {
      co_return fail(Code::protocol_error, Origin::upstream, "a body is not as long as it said");
    }
    if (piece->empty()) break;
    Result<void> sent;
    if (is_chunked) {
      const std::array<std::string_view, 3> parts{write_chunk_head(piece->size(), chunk_head), *piece, "\r\n"};
      sent = co_await stream_.write(parts);
    } else {
      sent = co_await stream_.write(*piece);
    }
    if (!sent) co_return sent;
  }
  if (!is_chunked) co_return Result<void>{};
  out_.assign("0\r\n");
  write_trailer(out_, body.trailers());
  co_return co_await stream_.write(out_);
}

awaitable<Http1Session::Next> Http1Session::hand_over(Response& response) {
  out_.clear();
  write_response_head(out_, response.status, reason_phrase(response.status), response.fields,
                      {.connection = response.status == 101 ? "upgrade" : "", .date = connection_.date.now()});
  if (auto sent = co_await stream_.write(out_); !sent) co_return Next::end;
  stream_.unread(reader_.body_input());
  stream_.set_timeouts({.read = limits_.read_timeout, .write = limits_.write_timeout});
  takeover_ = std::move(response.takeover);
  co_return Next::end;
}

awaitable<Http1Session::Next> Http1Session::after_response(bool is_last) {
  if (is_last || !is_keep_alive_) {
    co_await linger();
    co_return Next::end;
  }
  if (is_body_left() && !co_await drain_body()) {
    co_await linger();
    co_return Next::end;
  }
  co_return next_request();
}

Http1Session::Next Http1Session::next_request() {
  if (framed_.is_touched()) {
    stream_.set_timeouts({.read = limits_.idle_timeout, .write = limits_.write_timeout});
  }
  return Next::request;
}

/// What the handler left of the request's body, so that the next request can be found.
awaitable<bool> Http1Session::drain_body() {
  const std::uint64_t read_before = framed_.bytes_read();
  stream_.set_timeouts({.read = limits_.linger_timeout, .write = limits_.write_timeout});
  while (!framed_.is_complete()) {
    const auto left = limits_.drain_bytes_max - (framed_.bytes_read() - read_before);
    const auto piece = co_await framed_.read(std::min<std::uint64_t>(left + 1, kPieceBytesMax));
    if (!piece || framed_.bytes_read() - read_before > limits_.drain_bytes_max) co_return false;
  }
  co_return true;
}

/// Answers what is no request, and ends the connection.
awaitable<void> Http1Session::refuse(Refusal refusal) {
  ++figures_.refused;
  handler_.refused(stream_.info(), refusal.status, refusal.reason);
  const std::string text = fmt::format("{}\n", refusal.reason);
  Fields fields;
  fields.add_view("Content-Type", "text/plain; charset=utf-8");
  out_.clear();
  write_response_head(out_, refusal.status, reason_phrase(refusal.status), fields,
                      {.content_length = text.size(), .connection = "close", .date = connection_.date.now()});
  stream_.set_read_deadline(std::nullopt);
  const std::array<std::string_view, 2> parts{out_, text};
  if (auto sent = co_await stream_.write(parts); sent) co_await linger();
}

/// Closing while the client still sends would make its kernel throw away the response (RFC 9112 section 9.6).
awaitable<void> Http1Session::linger() {
  if (auto ended = co_await stream_.shutdown_write(); !ended) co_return;
  stream_.set_read_deadline(Clock::now() + limits_.linger_timeout);
  std::array<char, 4096> thrown_away{};
  for (std::size_t bytes = 0; bytes < kLingerBytesMax;) {
    const auto got = co_await stream_.read_some(thrown_away);
    if (!got || *got == 0) co_return;
    bytes += *got;
  }
}

awaitable<Result<void>> Http1Session::send_informational(int status, FieldView fields) {
  // Old clients take it for the response.
  if (head_.version == Version::http_1_0 || status <= 101 || status > 199) co_return Result<void>{};
  std::string head;
  write_response_head(head, status, reason_phrase(status), fields, {});
  co_return co_await stream_.write(head);
}

awaitable<Result<std::string_view>> Http1Session::RequestBody::read(std::size_t max) {
  Http1Session& session = session_;
  if (!session.framed_.is_touched()) {
    session.stream_.set_timeouts({.read = session.limits_.read_timeout, .write = session.limits_.write_timeout});
  }
  if (session.is_continue_due_) {
    session.is_continue_due_ = false;
    if (session.reader_.body_input().empty()) {
      if (auto sent = co_await session.stream_.write(kContinue); !sent) co_return std::unexpected(sent.error());
    }
  }
  auto piece = co_await session.framed_.read(max);
  if (piece && session.framed_.bytes_read() > session.limits_.body_bytes_max) {
    co_return fail(Code::too_large, Origin::client, "the body is too large");
  }
  co_return piece;
}

}  // namespace propeller::http
