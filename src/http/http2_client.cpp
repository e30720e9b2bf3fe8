#include "http/http2_client.hpp"

#include <algorithm>
#include <deque>

#include "base/assert.hpp"
#include "http/run_then_join.hpp"
#include "http/syntax.hpp"

namespace propeller::http {

/// One request and its response.
class Http2ClientConnection::Exchange final : public Http2Stream {
 public:
  using Http2Stream::Http2Stream;

  void block_complete() override {
    if (block_.is_too_large()) {
      is_malformed = true;
      reset(NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (has_head) {
      set_trailers();
    } else if (block_.status() < 200) {
      if (++informational_count <= kInformationalKept) informational.emplace_back(block_.status(), block_.fields());
    } else {
      has_head = true;
      status = block_.status();
      fields = block_.fields();
    }
    readable_.notify();
  }
  /// False when the time is over.
  awaitable<bool> wait(std::chrono::milliseconds patience) { return readable_.wait(patience); }
  [[nodiscard]] std::unexpected<Error> error() const { return broken(); }

  static constexpr std::size_t kInformationalKept = 64;
  std::deque<std::pair<int, Fields>> informational;
  std::size_t informational_count = 0;
  Fields fields;
  int status = 0;
  bool has_head = false, is_malformed = false, is_sending = false;
  std::optional<Error> body_error;
};

class Http2ClientConnection::Body final : public BodySource {
 public:
  Body(std::shared_ptr<Http2ClientConnection> connection, std::shared_ptr<Exchange> exchange,
       std::optional<std::uint64_t> length)
      : connection_(std::move(connection)), exchange_(std::move(exchange)), length_(length) {}
  ~Body() override {
    if (!exchange_->is_input_over() || !exchange_->is_output_ended()) exchange_->reset(NGHTTP2_CANCEL);
  }
  awaitable<Result<std::string_view>> read(std::size_t max) override {
    auto piece = co_await exchange_->read(max, connection_->pool_.limits().read_timeout);
    if (!piece) connection_->note(piece.error());
    co_return piece;
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }
  [[nodiscard]] FieldView trailers() const override { return exchange_->trailers(); }

 private:
  std::shared_ptr<Http2ClientConnection> connection_;
  std::shared_ptr<Exchange> exchange_;
  std::optional<std::uint64_t> length_;
};

Http2ClientConnection::Http2ClientConnection(ClientPool& pool, ClientPool::Slot slot,
                                             std::unique_ptr<net::Stream> stream)
    : Http2Connection(*stream, Role::client,
                      {.limits = pool.limits().http2,
                       .parse = pool.limits().parse,
                       .head_timeout = pool.limits().first_byte_timeout,
                       .idle_timeout = pool.limits().idle_timeout,
                       .write_timeout = pool.limits().write_timeout}),
      pool_(pool),
      slot_(std::move(slot)),
      owned_(std::move(stream)),
      tasks_(owned_->executor()) {}

Http2ClientConnection::~Http2ClientConnection() { owned_->close(); }

awaitable<void> Http2ClientConnection::drive() {
  co_await run_then_join(run(tasks_), tasks_);
  owned_->close();
}

bool Http2ClientConnection::takes_requests() const {
  const auto allowed = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return !is_winding_down() && !is_over() && streams() < std::min(allowed, options_.limits.streams_max) &&
         nghttp2_session_check_request_allowed(session_) != 0;
}

awaitable<Http2ClientConnection::Attempt> Http2ClientConnection::exchange(const std::string& scheme,
                                                                          OutgoingRequest& request) {
  const auto self = shared_from_this();
  const bool is_reused = asked_++ > 0;
  const auto exchange = is_over() ? nullptr : submit(scheme, request);
  if (exchange == nullptr) {
    co_return Attempt{fail(Code::connection_reset, Origin::upstream, "the connection takes no more requests"), true};
  }
  begin_body(exchange, request);
  const auto answered = co_await await_head(*exchange, request);
  if (!answered) {
    const auto code = exchange->close_code();
    const bool was_unworked = exchange->is_closed() && code == NGHTTP2_REFUSED_STREAM;
    const bool was_cut_off = exchange->is_closed() && is_reused && is_over();
    exchange->reset(NGHTTP2_CANCEL);
    note(answered.error());
    co_return Attempt{std::unexpected(exchange->body_error.value_or(answered.error())), was_unworked, was_cut_off};
  }
  const auto declared = exchange->fields.find("content-length");
  auto length = declared ? parse_decimal(*declared) : std::nullopt;
  const bool is_head = request.method == "HEAD";
  if (!is_head && exchange->status != 304 && exchange->is_input_over()) length = 0;
  ClientResponse response{.status = exchange->status,
                          .version = Version::http_2,
                          .fields = std::move(exchange->fields),
                          .is_reused = is_reused};
  response.body = std::make_unique<Body>(self, exchange, length);
  co_return Attempt{std::move(response)};
}

/// Nothing tells a slow answer from a way that is gone, on which every request would wait as long: the next one makes
/// a connection of its own.
void Http2ClientConnection::note(const Error& error) {
  if (error.code == Code::timeout) wind_down();
}

std::shared_ptr<Http2ClientConnection::Exchange> Http2ClientConnection::submit(const std::string& scheme,
                                                                               const OutgoingRequest& request) {
  const auto length = request.body != nullptr ? request.body->length() : std::uint64_t{0};
  Http2Fields fields;
  fields.add(":method", request.method);
  fields.add(":scheme", scheme);
  fields.add(":authority", request.authority);
  fields.add(":path", request.path);
  fields.add_all(request.fields);
  if (length.value_or(0) > 0) fields.add("content-length", std::to_string(*length));
  const auto entries = fields.entries();
  const auto provider = data_provider();
  const auto id = nghttp2_submit_request(session_, nullptr, entries.data(), entries.size(),
                                         length == 0 ? nullptr : &provider, nullptr);
  if (id < 0) return nullptr;
  auto exchange = std::make_shared<Exchange>(*this, id);
  keep(exchange);
  wake_writer();
  return exchange;
}

void Http2ClientConnection::begin_body(const std::shared_ptr<Exchange>& exchange, OutgoingRequest& request) {
  const bool has_body = request.body != nullptr && request.body->length() != 0;
  if (!has_body) return exchange->end_output({});
  const auto bytes = request.body->memory();
  if (bytes && bytes->size() <= Http2Stream::kOutputBytesMax) {
    // A new stream has room for as much.
    ASSERT(exchange->try_write(*bytes) == bytes->size());
    return exchange->end_output({});
  }
  ASSERT(request.tasks != nullptr);
  exchange->is_sending = true;
  request.tasks->spawn(send_body({shared_from_this(), exchange}, std::move(request.body)));
}

awaitable<void> Http2ClientConnection::send_body(Sending sending, std::unique_ptr<BodySource> body) {
  /// Also when it unwinds: the upstream must not wait for the rest.
  struct Leave {
    Exchange& exchange;
    ~Leave() {
      exchange.is_sending = false;
      if (!exchange.is_output_ended()) exchange.reset(NGHTTP2_CANCEL);
    }
  };
  auto& exchange = *sending.exchange;
  const Leave leave{exchange};
  const auto sent = co_await exchange.send(*body, sending.connection->options_.write_timeout);
  if (!sent && sent.error().origin != Origin::upstream) exchange.body_error = sent.error();
}

awaitable<Result<void>> Http2ClientConnection::await_head(Exchange& exchange, const OutgoingRequest& request) {
  for (;;) {
    while (!exchange.informational.empty()) {
      const auto [status, fields] = std::move(exchange.informational.front());
      exchange.informational.pop_front();
      if (status == 100 || request.informational == nullptr) continue;
      const auto passed = co_await request.informational->send_informational(status, fields);
      if (!passed) co_return passed;
    }
    if (exchange.has_head) co_return Result<void>{};
    if (exchange.informational_count > pool_.limits().informational_max) {
      co_return fail(Code::limit_exceeded, Origin::upstream, "too many informational responses");
    }
    if (exchange.is_malformed) co_return fail(Code::protocol_error, Origin::upstream, "the head is too large");
    if (exchange.is_closed()) co_return exchange.error();
    const bool was_sending = exchange.is_sending;
    const bool has_changed = co_await exchange.wait(pool_.limits().first_byte_timeout);
    if (!has_changed && !was_sending) co_return fail(Code::timeout, Origin::upstream, "no response in time");
  }
}

}  // namespace propeller::http
