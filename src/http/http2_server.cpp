#include "http/http2_server.hpp"

#include <utility>

#include <fmt/format.h>

#include "http/http2_tunnel.hpp"
#include "http/run_then_join.hpp"
#include "http/syntax.hpp"

namespace propeller::http {

/// One request and its response.
class Http2ServerSession::Exchange final : public Http2Stream,
                                           public Request,
                                           public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(Http2ServerSession& session, std::int32_t id)
      : Http2Stream(session, id), session_(session), body_(*this), tasks_(session.executor()) {
    ++session_.running_;
  }
  ~Exchange() override { --session_.running_; }

  BodySource& body() override { return body_; }
  [[nodiscard]] bool expects_continue() const override { return is_continue_due_; }
  [[nodiscard]] const net::StreamInfo& connection() const override { return session_.info(); }
  async::TaskGroup& tasks() override { return tasks_; }
  awaitable<Result<void>> send_informational(int status, FieldView fields) override {
    if (status > 101 && status < 200) submit_informational(status, fields);
    co_return Result<void>{};
  }

  void block_complete() override;
  static awaitable<void> serve(std::shared_ptr<Exchange> self);

 private:
  class Body final : public BodySource {
   public:
    explicit Body(Exchange& exchange) : exchange_(exchange) {}
    awaitable<Result<std::string_view>> read(std::size_t max) override;
    [[nodiscard]] std::optional<std::uint64_t> length() const override { return exchange_.length_; }
    [[nodiscard]] FieldView trailers() const override { return exchange_.Http2Stream::trailers(); }

   private:
    Exchange& exchange_;
    std::uint64_t bytes_ = 0;
  };

  awaitable<void> answer();
  void submit_informational(int status, FieldView fields);
  bool submit_head(const Response& response, bool has_body, std::optional<std::uint64_t> length);
  awaitable<void> respond(Response& response);
  awaitable<void> hand_over(Response& response);
  [[nodiscard]] std::optional<Refusal> check();

  Http2ServerSession& session_;
  Body body_;
  async::TaskGroup tasks_;
  std::optional<std::uint64_t> length_;
  bool is_begun_ = false, is_continue_due_ = false;
};

Http2ServerSession::Http2ServerSession(const ServerLimits& limits, ServerFigures& figures, Handler& handler,
                                       net::Stream& stream)
    : ServerSession(limits, figures, handler, stream),
      Http2Connection(stream, Role::server,
                      {.limits = limits.http2,
                       .parse = limits.parse,
                       .head_timeout = limits.head_timeout,
                       .idle_timeout = limits.idle_timeout,
                       .write_timeout = limits.write_timeout}) {
  ++figures_.http2_connections;
}

std::shared_ptr<Http2Stream> Http2ServerSession::opened(std::int32_t id) {
  if (running_ >= std::size_t{2} * limits_.http2.streams_max) return nullptr;
  return std::make_shared<Exchange>(*this, id);
}

void Http2ServerSession::Exchange::block_complete() {
  if (is_begun_) return set_trailers();
  is_begun_ = true;
  keep_head();
  session_.tasks_.spawn(serve(shared_from_this()));
}

awaitable<void> Http2ServerSession::Exchange::serve(std::shared_ptr<Exchange> self) {
  co_await run_then_join(self->answer(), self->tasks_);
  // The client need not send the rest of a body that nobody reads (RFC 9113 section 8.1).
  self->reset(self->is_input_over() ? NGHTTP2_CANCEL : NGHTTP2_NO_ERROR);
}

std::optional<Refusal> Http2ServerSession::Exchange::check() {
  const auto head = block_.to_request(session_.limits_.parse);
  if (!head) return head.error();
  head_ = *head;
  if (const auto announced = head_.fields.find("content-length")) {
    length_ = parse_decimal(*announced);
    if (!length_) return Refusal{400, "malformed Content-Length"};
  }
  if (has_input() && is_input_over()) length_ = 0;
  if (length_.value_or(0) > session_.limits_.body_bytes_max) return Refusal{413, "the body is too large"};
  if (const auto expectation = head_.fields.find("expect")) {
    if (!equals_ignoring_case(*expectation, "100-continue")) return Refusal{417, "unknown expectation"};
    is_continue_due_ = length_ != 0;
  }
  return std::nullopt;
}

awaitable<void> Http2ServerSession::Exchange::answer() {
  // The first turn of the coroutine comes after the frame: whether a body follows is known by now.
  if (const auto refusal = check()) {
    ++session_.figures_.refused;
    session_.handler_.refused(session_.info(), refusal->status, refusal->reason);
    Response response = text_response(refusal->status, fmt::format("{}\n", refusal->reason));
    co_return co_await respond(response);
  }
  ++session_.figures_.requests;
  Response response = co_await session_.handler_.handle(*this);
  if (response.takeover && head_.method == Method::connect && response.status / 100 == 2) {
    co_return co_await hand_over(response);
  }
  co_await respond(response);
}

awaitable<void> Http2ServerSession::Exchange::respond(Response& response) {
  BodySource* const body = response.body.get();
  const auto length = body != nullptr ? body->length() : std::uint64_t{0};
  const bool may_have = head_.method != Method::head && may_have_body(response.status);
  const bool has_body = may_have && body != nullptr && length != 0;
  const bool tells_length = may_have || body != nullptr;
  if (!submit_head(response, has_body, tells_length ? length : std::nullopt)) co_return;
  if (has_body) {
    if (auto sent = co_await send(*body, session_.limits_.write_timeout); !sent) {
      ++session_.figures_.broken;
      co_return;
    }
  }
  if (auto sent = co_await wait_sent(session_.limits_.write_timeout); !sent && !is_closed()) {
    ++session_.figures_.broken;
    reset(NGHTTP2_CANCEL);
  }
}

bool Http2ServerSession::Exchange::submit_head(const Response& response, bool has_body,
                                               std::optional<std::uint64_t> length) {
  if (is_closed()) return false;
  Http2Fields fields;
  fields.add(":status", std::to_string(response.status));
  fields.add_all(response.fields);
  if (length && response.status >= 200 && response.status != 204) fields.add("content-length", std::to_string(*length));
  if (!fields.contains("date")) fields.add("date", session_.date_.now());
  const auto entries = fields.entries();
  const auto provider = data_provider();
  const int submitted =
      nghttp2_submit_response(session_.session_, id(), entries.data(), entries.size(), has_body ? &provider : nullptr);
  session_.wake_writer();
  return submitted == 0;
}

void Http2ServerSession::Exchange::submit_informational(int status, FieldView informational) {
  if (is_closed()) return;
  Http2Fields fields;
  fields.add(":status", std::to_string(status));
  fields.add_all(informational);
  const auto entries = fields.entries();
  nghttp2_submit_headers(session_.session_, NGHTTP2_FLAG_NONE, id(), nullptr, entries.data(), entries.size(), nullptr);
  session_.wake_writer();
}

awaitable<void> Http2ServerSession::Exchange::hand_over(Response& response) {
  if (!submit_head(response, true, std::nullopt)) co_return;
  Http2Tunnel tunnel(*this, session_.executor(), session_.info(), session_.origin());
  co_await response.takeover->run(tunnel);
  // What was written before an orderly end still goes out.
  if (is_output_ended()) (void)co_await wait_sent(session_.limits_.write_timeout);
  tunnel.close();
}

awaitable<Result<std::string_view>> Http2ServerSession::Exchange::Body::read(std::size_t max) {
  Exchange& exchange = exchange_;
  if (std::exchange(exchange.is_continue_due_, false) && !exchange.has_input()) {
    exchange.submit_informational(100, {});
  }
  auto piece = co_await exchange.Http2Stream::read(max, exchange.session_.limits_.read_timeout);
  if (!piece) co_return piece;
  bytes_ += piece->size();
  if (bytes_ > exchange.session_.limits_.body_bytes_max) {
    co_return fail(Code::too_large, Origin::client, "the body is too large");
  }
  co_return piece;
}

}  // namespace propeller::http
