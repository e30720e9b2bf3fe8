#include "forward/cached_exchange.hpp"

#include "forward/arriving_body.hpp"
#include "forward/forwarder.hpp"
#include "forward/stored_body.hpp"
#include "http/forwarding.hpp"

namespace propeller::forward {

using Answer = std::optional<http::Response>;

namespace {

/// Neither a length nor chunks: a connection that broke looks like one that ended. The digest would tell.
bool has_doubtful_end(const http::ClientResponse& response, bool is_verified) {
  return !is_verified && !response.body->length() && response.version != http::Version::http_2 &&
         !response.fields.contains("Transfer-Encoding");
}

}  // namespace

/// Our name is not kept with them: it is another one after a restart.
http::Fields CachedExchange::kept_fields(std::string_view header_text) const {
  auto fields = fields_of(header_text);
  http::append_via(fields, http::Version::http_1_1, parts_.name);
  return fields;
}

CachedHead CachedExchange::head_of(const store::BlobHead& head) const {
  return {.status = head.status, .fields = kept_fields(head.header_text), .size = head.length};
}

async::awaitable<Answer> CachedExchange::look_up() {
  auto answer = co_await stored();
  if (request_.head().method != http::Method::get) co_return answer;
  if (answer) {
    parts_.counters.count_hit();
  } else {
    parts_.counters.count_miss();
  }
  co_return answer;
}

async::awaitable<Answer> CachedExchange::stored() {
  const auto found = co_await parts_.store.find_entry(decision_.key);
  if (!found || !*found || !(*found)->digest) co_return std::nullopt;
  const auto& entry = **found;
  if (decision_.digest && entry.digest != decision_.digest) co_return std::nullopt;
  const auto blob = co_await parts_.store.find_blob(*entry.digest);
  if (!blob) co_return std::nullopt;
  const auto method = request_.head().method;
  auto answer = answer_with({.status = entry.status, .fields = kept_fields(entry.header_text), .size = blob->size()},
                            method, request_.fields());
  mark_as_hit(answer.fields, entry.stored_at,
              std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  answer.fields.add_view("Cache-Status", "propeller-proxy; hit");
  co_return response_from(blob, std::move(answer), method);
}

async::awaitable<Answer> CachedExchange::share(http::Destination destination, const http::OutgoingRequest& out) {
  if (carries_credentials(out.fields)) decision_.may_store = false;
  origin_ =
      std::make_shared<const ContentOrigin>(parts_.client, std::move(destination), out, decision_.digest.has_value());
  if (!decision_.may_store) co_return co_await ride_along();
  auto joined = co_await parts_.store.join({.key = decision_.key, .digest = decision_.digest});
  if (!joined) co_return std::nullopt;
  reader_ = std::move(joined->reader);
  if (!joined->writer) co_return co_await follow();
  // The download that was on its way at the first look may have ended before the second.
  if (auto answer = co_await stored()) {
    joined->writer->decline();
    co_return answer;
  }
  co_return co_await lead(std::move(joined->writer));
}

async::awaitable<Answer> CachedExchange::lead(std::unique_ptr<store::BlobWriter> writer) {
  has_led_ = true;
  auto received = co_await origin_->ask(&request_);
  if (!received) {
    writer->fail(received.error());
    co_return error_response(received.error());
  }
  store::BlobHead head{.status = received->status,
                       .header_text = kept_header_text(received->fields, CacheRules::content),
                       .length = received->body->length(),
                       .validator = std::string(strong_etag(received->fields))};
  const bool is_storable = head.header_text.size() <= store::Entry::kTextBytesMax &&
                           matcher_.is_storable(decision_, received->status, received->fields) &&
                           !has_doubtful_end(*received, decision_.digest.has_value());
  if (!is_storable) {
    writer->decline();
    co_return relayed(std::move(*received), parts_.name);
  }
  auto response = relayed(std::move(*received), parts_.name);
  parts_.fills.spawn({.origin = origin_,
                      .key = decision_.key,
                      .writer = std::move(writer),
                      .head = std::move(head),
                      .body = std::move(response.body)});
  const auto outcome = co_await reader_->head();
  if (!outcome) co_return error_response(outcome.error());
  const auto* begun = std::get_if<const store::BlobHead*>(&*outcome);
  if (begun == nullptr) co_return std::nullopt;
  // What was for this client alone is for this one.
  auto answer = head_of(**begun);
  answer.fields = std::move(response.fields);
  co_return arriving(**begun, answer_with(std::move(answer), http::Method::get, {}));
}

async::awaitable<Answer> CachedExchange::follow() {
  auto outcome = co_await reader_->head();
  if (!outcome) co_return error_response(outcome.error());
  if (auto* over = std::get_if<store::TakeOver>(&*outcome)) co_return co_await lead(std::move(over->writer));
  if (const auto* head = std::get_if<const store::BlobHead*>(&*outcome))
    co_return arriving(**head, answer_with(head_of(**head), http::Method::get, {}));
  // It was not for sharing, or it was there already.
  co_return co_await stored();
}

/// For those that cannot begin a download: HEAD, ranges of what is there, callers with credentials.
async::awaitable<Answer> CachedExchange::ride_along() {
  auto joined = co_await parts_.store.join({.key = decision_.key, .digest = decision_.digest, .may_begin = false});
  if (!joined || !joined->reader) co_return std::nullopt;
  reader_ = std::move(joined->reader);
  const auto outcome = co_await reader_->head();
  if (!outcome) co_return std::nullopt;
  const auto* head = std::get_if<const store::BlobHead*>(&*outcome);
  if (head == nullptr) co_return std::nullopt;
  const auto method = request_.head().method;
  auto answer = answer_with(head_of(**head), method, request_.fields());
  if (!answer.has_body) co_return without_body(std::move(answer), method, (*head)->length);
  if (answer.range.offset > reader_->received() + kAheadBytesMax) co_return std::nullopt;
  co_return arriving(**head, std::move(answer));
}

http::Response CachedExchange::arriving(const store::BlobHead& head, CacheAnswer answer) {
  const bool is_part = answer.status == 206;
  http::Response response{.status = answer.status, .fields = std::move(answer.fields)};
  response.body =
      std::make_unique<ArrivingBody>(std::move(reader_), head, parts_.fills,
                                     ArrivingBodyOptions{.origin = origin_,
                                                         .key = decision_.key,
                                                         .range = is_part ? std::optional(answer.range) : std::nullopt,
                                                         .may_take_over = decision_.may_store});
  return response;
}

}  // namespace propeller::forward
