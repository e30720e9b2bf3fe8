#include "forward/observed_handler.hpp"

#include <fmt/ostream.h>

#include "forward/recorded_takeover.hpp"

namespace propeller::forward {

namespace {

using http::awaitable;
using Clock = std::chrono::steady_clock;

/// One exchange in the making. Whoever lets go of it last has it written.
struct Exchange {
  explicit Exchange(Recorder& to) : recorder(to) {}
  ~Exchange() {
    record.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
    recorder.record(std::move(record));
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Recorder& recorder;
  const Clock::time_point begun = Clock::now();
  ExchangeRecord record;
};

/// Notes what is read through it.
class RecordedBody final : public http::BodySource {
 public:
  RecordedBody(std::unique_ptr<http::BodySource> inner, std::shared_ptr<Exchange> exchange, MessageRecord& record)
      : inner_(std::move(inner)),
        exchange_(std::move(exchange)),
        record_(record),
        kept_bytes_max_(is_body_recorded(record) ? exchange_->recorder.body_bytes_max() : 0) {}

  awaitable<Result<std::string_view>> read(std::size_t max) override {
    auto bytes = co_await inner_->read(max);
    if (bytes) note(*bytes);
    co_return bytes;
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return inner_->length(); }
  [[nodiscard]] http::FieldView trailers() const override { return inner_->trailers(); }
  /// A file whose bytes are not recorded goes the short way.
  [[nodiscard]] std::optional<http::FileRange> file_range() const override {
    if (kept_bytes_max_ != 0) return std::nullopt;
    auto range = inner_->file_range();
    if (range) record_.body_bytes = range->count;
    return range;
  }

 private:
  void note(std::string_view bytes) {
    record_.body_bytes += bytes.size();
    if (kept_bytes_max_ == 0) return;
    const auto room = kept_bytes_max_ - record_.body.size();
    record_.body.append(bytes.substr(0, room));
    record_.is_body_truncated = record_.is_body_truncated || bytes.size() > room;
  }

  const std::unique_ptr<http::BodySource> inner_;
  const std::shared_ptr<Exchange> exchange_;
  MessageRecord& record_;  ///< of the exchange
  const std::size_t kept_bytes_max_;
};

/// The same request, but for the body that is taken from it, which lives as long as whoever took it wants.
class RecordedRequest final : public http::Request {
 public:
  RecordedRequest(http::Request& inner, std::shared_ptr<Exchange> exchange)
      : inner_(inner), exchange_(std::move(exchange)) {
    head_ = inner.head();
  }

  [[nodiscard]] http::BodySource& body() override { return inner_.body(); }
  [[nodiscard]] std::unique_ptr<http::BodySource> take_body() override {
    return std::make_unique<RecordedBody>(inner_.take_body(), exchange_, exchange_->record.request);
  }
  [[nodiscard]] bool expects_continue() const override { return inner_.expects_continue(); }
  [[nodiscard]] const net::StreamInfo& connection() const override { return inner_.connection(); }
  [[nodiscard]] async::TaskGroup& tasks() override { return inner_.tasks(); }
  awaitable<Result<void>> send_informational(int status, http::FieldView fields) override {
    return inner_.send_informational(status, fields);
  }

 private:
  http::Request& inner_;
  std::shared_ptr<Exchange> exchange_;
};

void copy_fields(http::FieldView from, MessageRecord& to) {
  for (const auto& field : from) to.fields.emplace_back(field.name, field.value);
}

std::string url_of(const http::RequestHead& head, std::string_view scheme) {
  if (head.form == http::TargetForm::authority) return std::string(head.authority);
  return fmt::format("{}://{}{}", head.scheme.empty() ? scheme : head.scheme, head.authority, head.path);
}

void count(RequestCounters& counters, const http::Response& response) {
  ++counters.requests;
  if (response.status < 400 || !response.fields.contains("Proxy-Status")) return;
  if (response.status == 403) ++counters.refused;
  if (response.status == 407) ++counters.logins;
  if (response.status >= 500) ++counters.failed;
}

void note_response(const http::Response& response, ExchangeRecord& record) {
  record.status = response.status;
  record.status_text = http::reason_phrase(response.status);
  copy_fields(response.fields, record.response);
  record.is_cache_hit = response.fields.find("X-Cache") == "HIT";
  record.is_blocked = response.status == 403 && response.fields.contains("Proxy-Status");
  if (response.status == 101) record.upgrade_type = response.fields.find("Upgrade").value_or("");
}

}  // namespace

awaitable<http::Response> ObservedHandler::handle(http::Request& request) {
  auto response = observer_.recorder ? co_await handle_recorded(request) : co_await inner_.handle(request);
  count(observer_.counters, response);
  co_return response;
}

awaitable<http::Response> ObservedHandler::handle_recorded(http::Request& request) {
  const auto& head = request.head();
  const auto exchange = std::make_shared<Exchange>(*observer_.recorder);
  auto& record = exchange->record;
  record.id = observer_.recorder->new_id();
  record.at = std::chrono::system_clock::now();
  record.method = head.method_name;
  record.url = url_of(head, scheme_);
  record.protocol = http::to_string(head.version);
  record.remote = fmt::format("{}", fmt::streamed(request.connection().peer));
  copy_fields(head.fields, record.request);
  RecordedRequest recorded(request, exchange);
  auto response = co_await inner_.handle(recorded);
  note_response(response, record);
  if (response.status == 101 && response.takeover && observer_.recorder->keeps_streams()) {
    record.stream = observer_.recorder->open_stream(record.upgrade_type);
    if (record.stream)
      response.takeover = record_takeover(std::move(response.takeover), *observer_.recorder, record.stream->session_id);
  }
  if (response.body)
    response.body = std::make_unique<RecordedBody>(std::move(response.body), exchange, record.response);
  co_return response;
}

}  // namespace propeller::forward
