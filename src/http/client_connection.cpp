#include "http/client_connection.hpp"

#include <array>
#include <utility>

#include "base/assert.hpp"
#include "http/head_writer.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kPieceBytesMax = 64 * 1024;

bool is_upgraded(Method asked, int status) {
  return status == 101 || (asked == Method::connect && status >= 200 && status < 300);
}

std::string target_of(const OutgoingRequest& request, Method method) {
  if (method == Method::connect) return request.authority;
  if (request.absolute_scheme.empty()) return request.path;
  return request.absolute_scheme + "://" + request.authority + request.path;
}

}  // namespace

/// The response's body; gives the connection back at its end, and breaks it when it is left before.
class ClientConnection::Body final : public BodySource {
 public:
  Body(std::shared_ptr<ClientConnection> connection, std::optional<std::uint64_t> declared_length)
      : connection_(std::move(connection)), declared_length_(declared_length) {
    if (connection_->framed_.is_complete()) finish(true);
  }
  ~Body() override {
    if (connection_) finish(false);
  }

  awaitable<Result<std::string_view>> read(std::size_t max) override {
    if (!connection_) co_return std::string_view();
    // The view's bytes stay in the connection's buffers, so it is given back by the read after the last byte.
    if (connection_->framed_.is_complete()) {
      finish(true);
      co_return std::string_view();
    }
    auto piece = co_await connection_->framed_.read(max);
    if (!piece) {
      finish(false);
    } else if (piece->empty()) {
      finish(true);
    }
    co_return piece;
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return declared_length_; }
  [[nodiscard]] FieldView trailers() const override { return trailers_; }

 private:
  void finish(bool is_whole) {
    if (is_whole) trailers_.assign(connection_->framed_.trailers());
    std::exchange(connection_, nullptr)->response_ended(is_whole);
  }

  std::shared_ptr<ClientConnection> connection_;
  std::optional<std::uint64_t> declared_length_;
  Fields trailers_;
};

ClientConnection::ClientConnection(ClientPool& pool, ClientPool::Slot slot, std::string key,
                                   std::unique_ptr<net::Stream> stream)
    : pool_(pool),
      slot_(std::move(slot)),
      key_(std::move(key)),
      stream_(std::move(stream)),
      reader_(*stream_),
      framed_(reader_, {}),
      answer_timer_(stream_->executor()) {}

ClientConnection::~ClientConnection() {
  if (stream_) stream_->close();
}

awaitable<Result<ClientResponse>> ClientConnection::exchange(OutgoingRequest& request) {
  const Method asked = parse_method(request.method);
  ++served_;
  is_keep_alive_ = is_sending_ = is_send_broken_ = is_response_whole_ = has_response_begun_ = is_answered_ =
      is_body_touched_ = is_answer_late_ = has_body_failed_ = false;
  finder_.reset();
  stream_->set_timeouts({.read = pool_.limits().first_byte_timeout, .write = pool_.limits().write_timeout});
  if (auto sent = co_await send_head(request); !sent) co_return std::unexpected(sent.error());
  auto parsed = co_await read_final_head(request, asked);
  answer_timer_.cancel();
  if (!parsed) {
    stream_->close();
    if (has_body_failed_) co_return std::unexpected(body_error_);
    if (is_answer_late_) co_return fail(Code::timeout, Origin::upstream, "no response in time");
    co_return std::unexpected(parsed.error());
  }
  co_return make_response(*parsed, asked);
}

/// The head, with what the body has at hand; the rest of it goes on its own.
awaitable<Result<void>> ClientConnection::send_head(OutgoingRequest& request) {
  const Method method = parse_method(request.method);
  BodySource* const body = request.body.get();
  const auto length = body != nullptr ? body->length() : std::uint64_t{0};
  HeadFraming framing{.is_chunked = !length};
  const bool is_body_usual = method == Method::post || method == Method::put || method == Method::patch;
  if (length && (*length > 0 || is_body_usual)) framing.content_length = length;
  if (!request.upgrade.empty()) framing.connection = "upgrade";
  out_.clear();
  const std::string target = target_of(request, method);
  if (!request.upgrade.empty()) request.fields.set("Upgrade", request.upgrade);
  if (!write_request_head(out_, {request.method, target, request.authority}, request.fields, framing)) {
    co_return fail(Code::bad_request, Origin::client, "the request cannot be written as HTTP/1.1");
  }
  if (length == 0) co_return co_await stream_->write(out_);
  if (const auto bytes = body->memory()) {
    const std::array<std::string_view, 2> parts{out_, *bytes};
    co_return co_await stream_->write(parts);
  }
  ASSERT(request.tasks != nullptr);
  if (auto sent = co_await stream_->write(out_); !sent) co_return sent;
  is_sending_ = is_body_touched_ = true;
  // Until it is sent whole there is no time by which an answer is due.
  stream_->set_timeouts({.read = std::chrono::hours(24), .write = pool_.limits().write_timeout});
  request.tasks->spawn(send_body(shared_from_this(), std::move(request.body), framing.is_chunked));
  co_return Result<void>{};
}

awaitable<void> ClientConnection::send_body(std::shared_ptr<ClientConnection> self, std::unique_ptr<BodySource> body,
                                            bool is_chunked) {
  /// Also when it unwinds: then the connection is of no more use.
  struct Leave {
    ClientConnection& connection;
    bool is_whole = false;
    ~Leave() {
      connection.is_sending_ = false;
      connection.is_send_broken_ = !is_whole;
    }
  };
  {
    Leave leave{*self};
    const auto sent = co_await self->copy_body(*body, is_chunked);
    leave.is_whole = sent.has_value();
    if (!sent && sent.error().origin != Origin::upstream) {
      // Our side broke the request: the upstream must not take it for whole, nor wait.
      self->body_error_ = sent.error();
      self->has_body_failed_ = true;
      self->stream_->reset();
    }
  }
  if (self->is_response_whole_) self->give_back();
  if (!self->is_send_broken_ && !self->is_answered_) co_await self->await_answer();
}

awaitable<Result<void>> ClientConnection::copy_body(BodySource& body, bool is_chunked) {
  char chunk_head[kChunkHeadBytesMax];
  const auto length = body.length();
  std::uint64_t sent_bytes = 0;
  for (;;) {
    const auto piece = co_await body.read(kPieceBytesMax);
    if (!piece) {
      Error error = piece.error();
      if (error.origin == Origin::upstream) error.origin = Origin::internal;
      co_return std::unexpected(std::move(error));
    }
    sent_bytes += piece->size();
    if (length && (sent_bytes > *length || (piece->empty() && sent_bytes < *length))) {
      co_return fail(Code::protocol_error, Origin::client, "a body is not as long as it said");
    }
    if (piece->empty()) break;
    std::array<std::string_view, 3> parts{*piece};
    if (is_chunked) parts = {write_chunk_head(piece->size(), chunk_head), *piece, "\r\n"};
    if (auto sent = co_await stream_->write(std::span(parts).first(is_chunked ? 3 : 1)); !sent) co_return sent;
  }
  if (!is_chunked) co_return Result<void>{};
  std::string last = "0\r\n";
  write_trailer(last, body.trailers());
  co_return co_await stream_->write(last);
}

/// Cuts a connection on which no response comes in time: an interim one is none. One that comes cancels the timer.
awaitable<void> ClientConnection::await_answer() {
  answer_timer_.expires_after(pool_.limits().first_byte_timeout);
  boost::system::error_code cancelled;
  co_await answer_timer_.async_wait(async::asio::redirect_error(async::asio::use_awaitable, cancelled));
  if (cancelled || is_answered_) co_return;
  is_answer_late_ = true;
  stream_->close();
}

awaitable<Result<ParsedResponse>> ClientConnection::read_final_head(OutgoingRequest& request, Method asked) {
  for (std::size_t informational = 0;; ++informational) {
    auto parsed = co_await read_head(asked);
    if (!parsed) co_return parsed;
    const int status = parsed->head.status;
    if (status == 101 && request.upgrade.empty()) {
      co_return fail(Code::protocol_error, Origin::upstream, "switching protocols, which nobody asked for");
    }
    if (status >= 200 || status == 101) {
      is_answered_ = true;
      co_return parsed;
    }
    if (informational == pool_.limits().informational_max) {
      co_return fail(Code::limit_exceeded, Origin::upstream, "too many informational responses");
    }
    if (status > 101 && request.informational != nullptr) {
      const auto passed = co_await request.informational->send_informational(status, parsed->head.fields);
      if (!passed) co_return std::unexpected(passed.error());
    }
    reader_.end_message();
    finder_.reset();
  }
}

awaitable<Result<ParsedResponse>> ClientConnection::read_head(Method asked) {
  for (;;) {
    const auto found = finder_.find(reader_.buffered(), pool_.limits().parse);
    if (!found) co_return fail(Code::protocol_error, Origin::upstream, std::string(found.error().reason));
    if (*found > 0) {
      auto parsed = parse_response(reader_.buffered().substr(0, *found), asked, pool_.limits().parse, fields_);
      if (!parsed) co_return fail(Code::protocol_error, Origin::upstream, std::string(parsed.error().reason));
      reader_.begin_body(*found);
      co_return *parsed;
    }
    const auto got = co_await reader_.fill();
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) co_return unanswered();
    has_response_begun_ = true;
  }
}

std::unexpected<Error> ClientConnection::unanswered() const {
  if (has_response_begun_) return fail(Code::protocol_error, Origin::upstream, "the connection ended within a head");
  return fail(Code::connection_reset, Origin::upstream, "the connection ended without a response");
}

ClientResponse ClientConnection::make_response(const ParsedResponse& parsed, Method asked) {
  ClientResponse response{.status = parsed.head.status,
                          .reason = std::string(parsed.head.reason),
                          .version = parsed.head.version,
                          .fields = Fields(parsed.head.fields),
                          .is_reused = is_reused()};
  if (is_upgraded(asked, parsed.head.status)) {
    stream_->unread(reader_.body_input());
    stream_->set_timeouts({.read = pool_.limits().read_timeout, .write = pool_.limits().write_timeout});
    response.upgraded = std::move(stream_);
    response.body = std::make_unique<EmptyBody>();
    return response;
  }
  stream_->set_timeouts({.read = pool_.limits().read_timeout, .write = pool_.limits().write_timeout});
  is_keep_alive_ = parsed.is_keep_alive;
  framed_.begin(parsed.framing);
  auto length = framed_.length();
  // To HEAD, and of a 304, nothing comes, but a length may be told.
  if (parsed.framing.kind == BodyFraming::Kind::none) {
    const bool may_tell = asked == Method::head || parsed.head.status == 304;
    length = may_tell ? parsed.declared_length : std::uint64_t{0};
  }
  response.body = std::make_unique<Body>(shared_from_this(), length);
  return response;
}

void ClientConnection::response_ended(bool is_whole) {
  is_response_whole_ = is_whole;
  if (!is_whole) return stream_->close();
  if (!is_sending_) give_back();
}

/// Both directions are done.
void ClientConnection::give_back() {
  // Bytes behind the response are none that we asked for.
  if (!is_keep_alive_ || is_send_broken_ || !reader_.body_input().empty()) return stream_->close();
  reader_.end_message();
  if (out_.capacity() > 4096) out_ = std::string();
  pool_.put(key_, shared_from_this());
}

}  // namespace propeller::http
