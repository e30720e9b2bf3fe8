#include "forward/http_exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cache/storing.hpp"
#include "cache/update.hpp"
#include "cache/vary.hpp"
#include "forward/arriving_body.hpp"
#include "forward/cached_parts.hpp"
#include "forward/forwarder.hpp"
#include "forward/silence.hpp"
#include "forward/stored_body.hpp"
#include "http/forwarding.hpp"

namespace propeller::forward {

using Use = cache::Verdict::Use;
using Answer = std::optional<http::Response>;

namespace {

constexpr int kPartialContent = 206;
constexpr std::string_view kName = "propeller-proxy";

/// Source: RFC 9211
void add_cache_status(http::Fields& fields, std::string_view what) {
  fields.add("Cache-Status", fmt::format("{}; {}", kName, what));
}

async::awaitable<void> check(store::ContentStore& store, std::string key, Refresh refresh) {
  auto joined = co_await store.join({.key = std::move(key)});
  if (!joined || !joined->writer) co_return;  // somebody asks already
  (void)co_await refresh.run(std::move(joined->writer), nullptr);
}

bool asks_for_part(const http::RequestHead& head) {
  constexpr std::array<std::string_view, 4> kConditions{"If-Match", "If-None-Match", "If-Modified-Since",
                                                        "If-Unmodified-Since"};
  return head.method == http::Method::get && head.fields.count("Range") == 1 &&
         !head.fields.find("Range")->contains(',') &&
         std::ranges::none_of(kConditions, [&](auto name) { return head.fields.contains(name); });
}

/// Whether an answer says nothing about what was asked for. That a registry has had too many questions counts under a
/// pack.
bool is_error(int status, cache::Keeping keeping) {
  constexpr int kTooManyRequests = 429;
  if (status == kTooManyRequests) return keeping != cache::Keeping::as_said;
  return status == 500 || status == 502 || status == 503 || status == 504;
}

}  // namespace

HttpExchange::HttpExchange(CacheParts parts, const CacheMatcher& matcher, http::Request& request,
                           CacheDecision decision)
    : parts_(parts),
      request_(request),
      ttl_max_(matcher.ttl_max()),
      is_text_compressed_(matcher.is_text_compressed()),
      url_(std::move(decision.key)),
      asked_(cache::request_directives(request.fields())),
      keeping_(decision.keeping),
      generation_(parts.invalidations.generation(url_)),
      is_for_part_(asks_for_part(request.head())) {}

Refresh HttpExchange::refresh() const {
  return {{.store = parts_.store, .fills = parts_.fills, .name = std::string(parts_.name)},
          {.url = url_,
           .place = place_,
           .origin = origin_,
           .stored = stored_,
           .generation = generation_,
           .is_request_no_store = asked_.no_store,
           .may_be_part = is_for_part_ && !stored_,
           .is_text_compressed = is_text_compressed_,
           .keeping = keeping_}};
}

async::awaitable<void> HttpExchange::look_up() {
  auto found = co_await CachedResponses(parts_.store).find(url_, origin_->fields());
  place_ = std::move(found.key);
  stored_ = std::move(found.response);
  if (stored_) verdict_ = cache::judge(stored_->stored(keeping_), asked_, wall_seconds(), ttl_max_);
}

/// Of what is not here as a whole.
async::awaitable<Answer> HttpExchange::from_parts() {
  if (stored_ || !is_for_part_) co_return std::nullopt;
  const auto fields = request_.fields();
  auto found = co_await CachedParts(parts_.store, place_)
                   .find({.range = fields.find("Range").value_or(""),
                          .if_range = fields.find("If-Range").value_or(""),
                          .asked = asked_,
                          .ttl_max = ttl_max_});
  if (!found) co_return std::nullopt;
  outcome_ = CacheOutcome::hit;
  parts_.counters.count_hit();
  http::Response response{
      .status = kPartialContent, .fields = std::move(found->fields), .body = std::move(found->body)};
  http::append_via(response.fields, http::Version::http_1_1, parts_.name);
  mark_as_hit(response.fields, found->stored_at, found->age);
  add_cache_status(response.fields, fmt::format("hit; ttl={}", found->time_left.count()));
  co_return response;
}

/// Not with a question that another answer would fit than the whole or the one part that is named.
bool HttpExchange::may_begin() const {
  if (request_.head().method != http::Method::get || asked_.no_store) return false;
  const auto fields = request_.fields();
  return stored_ || !fields.contains("Range") || (is_for_part_ && !fields.contains("If-Range"));
}

async::awaitable<Answer> HttpExchange::answer(http::Destination destination, const http::OutgoingRequest& out) {
  origin_ = std::make_shared<const ContentOrigin>(parts_.client, std::move(destination), out, false);
  // What is asked for with credentials may be for this caller alone: then RFC 9111 says what becomes of it.
  if (origin_->credentials() != cache::Credentials::none) keeping_ = cache::Keeping::as_said;
  co_await look_up();
  if (stored_ && verdict_.use != Use::after_checking) {
    parts_.counters.count_hit();
    if (verdict_.use == Use::stale_at_once) check_in_background();
    co_return from_store(fmt::format("hit; ttl={}", verdict_.time_left.count()));
  }
  if (is_known_silent()) {
    parts_.counters.count_hit();
    co_return from_store("hit; detail=stale");
  }
  if (auto part = co_await from_parts()) co_return part;
  if (asked_.only_if_cached) co_return not_in_cache();
  // The first of several variants may be on its way under the plain key still, and what a part is of as a whole.
  const bool may_be_elsewhere = place_ != url_;
  const bool may_ride = !may_begin() || (!stored_ && is_for_part_);
  if (may_be_elsewhere || may_ride) {
    if (auto response = co_await ride_along(url_)) co_return response;
  }
  if (may_be_elsewhere && may_ride) {
    if (auto response = co_await ride_along(place_)) co_return response;
  }
  if (may_begin()) co_return co_await share();
  if (stored_ && request_.head().method == http::Method::head) co_return co_await check_by_head();
  co_return std::nullopt;
}

/// HEAD that tells of the content that is kept brings it up to date.
/// Source: RFC 9111 section 4.3.5
async::awaitable<Answer> HttpExchange::check_by_head() {
  const auto requested = wall_seconds();
  auto received = co_await origin_->ask_whether();
  if (!received) co_return failed(received.error());
  parts_.silent.remove(origin_of(url_));
  const bool is_telling = received->status == stored_->entry->status && !asked_.no_store;
  const bool is_same = cache::is_same_content(stored_->fields, received->fields) &&
                       received->body->length().value_or(stored_->content.size()) == stored_->content.size();
  if (is_telling && is_same) {
    stored_ = co_await CachedResponses(parts_.store)
                  .confirm(std::move(*stored_), {.fields = received->fields,
                                                 .requested = requested,
                                                 .credentials = origin_->credentials(),
                                                 .keeping = keeping_});
    verdict_ = cache::judge(stored_->stored(keeping_), {}, wall_seconds(), ttl_max_);
    co_return from_store(fmt::format("fwd=stale; fwd-status={}", received->status));
  }
  co_return passed(relayed(std::move(*received), parts_.name));
}

/// Nobody joins what was asked for before the last write.
std::string HttpExchange::flight_key(const std::string& place) const {
  return generation_ == 0 ? place : fmt::format("{} after {}", place, generation_);
}

/// On a download that has begun already, for those that can wait for none and begin none.
async::awaitable<Answer> HttpExchange::ride_along(std::string place) {
  auto joined = co_await parts_.store.join({.key = flight_key(place), .may_begin = false});
  if (!joined || !joined->reader) co_return std::nullopt;
  reader_ = std::move(joined->reader);
  const auto outcome = co_await reader_->head(std::chrono::steady_clock::now());
  const auto* head = outcome ? std::get_if<const store::BlobHead*>(&*outcome) : nullptr;
  auto answer = head != nullptr ? co_await along(**head) : std::nullopt;
  // Nobody is held up by a reader that does not read.
  if (!answer) reader_.reset();
  co_return answer;
}

async::awaitable<Answer> HttpExchange::share() {
  auto key = flight_key(place_);
  // A whole that is here is checked as one, whatever is asked for of it.
  if (!stored_ && is_for_part_) key.append(" part ").append(request_.fields().find("Range").value_or(""));
  // The answers of the last time were for one client each: nobody waits for another one's. And who wants the origin's
  // word now is not told what it said to somebody else.
  const bool is_for_one = !stored_ && parts_.unshared.contains(url_, std::chrono::steady_clock::now());
  const auto asked = cache::under(keeping_, asked_);
  if (is_alone_ || is_for_one || asked.no_cache || asked.max_age)
    key.append(fmt::format(" alone {}", static_cast<void*>(this)));
  auto joined = co_await parts_.store.join({.key = std::move(key)});
  if (!joined || !joined->reader) co_return std::nullopt;
  reader_ = std::move(joined->reader);
  if (!joined->writer) co_return co_await follow();
  // What was on its way at the first look may have arrived before the second.
  if (!stored_) co_await look_up();
  if (stored_ && verdict_.use == Use::fresh) {
    joined->writer->decline();
    parts_.counters.count_hit();
    co_return from_store(fmt::format("hit; ttl={}", verdict_.time_left.count()));
  }
  if (auto part = co_await from_parts()) {
    joined->writer->decline();
    co_return part;
  }
  co_return co_await lead(std::move(joined->writer));
}

async::awaitable<Answer> HttpExchange::lead(std::unique_ptr<store::BlobWriter> writer) {
  auto outcome = co_await refresh().run(std::move(writer), &request_);
  if (!outcome) co_return failed(outcome.error());
  parts_.silent.remove(origin_of(url_));
  if (auto* confirmed = std::get_if<Refresh::Confirmed>(&*outcome)) {
    parts_.counters.count_hit();
    stored_ = std::move(confirmed->response);
    verdict_ = cache::judge(stored_->stored(keeping_), {}, wall_seconds(), ttl_max_);
    co_return from_store("fwd=stale; fwd-status=304");
  }
  if (auto* passed_on = std::get_if<Refresh::Passed>(&*outcome)) co_return passed(std::move(passed_on->response));
  parts_.counters.count_miss();
  auto& begun = std::get<Refresh::Begun>(*outcome);
  const auto head = co_await reader_->head();
  if (!head) co_return error_response(head.error());
  const auto* there = std::get_if<const store::BlobHead*>(&*head);
  if (there == nullptr) co_return std::nullopt;
  add_cache_status(begun.fields, fmt::format("fwd={}; stored", stored_ ? "stale" : "uri-miss"));
  co_return arriving(**there, std::move(begun.fields));
}

Answer HttpExchange::passed(http::Response response) {
  if (stored_ && verdict_.may_outlive_errors && is_error(response.status, keeping_))
    return from_store("hit; detail=stale");
  if (!stored_ && !is_for_part_ && response.status != 304) parts_.unshared.add(url_, std::chrono::steady_clock::now());
  add_cache_status(response.fields, fmt::format("fwd={}", stored_ ? "stale" : "uri-miss"));
  return response;
}

/// Where the uplink is down each question would wait as long as the last one did, and a set-up has hundreds.
bool HttpExchange::is_known_silent() const {
  return stored_ && verdict_.may_outlive_silence && !asked_.no_cache &&
         parts_.silent.contains(origin_of(url_), std::chrono::steady_clock::now());
}

Answer HttpExchange::failed(const Error& error) {
  if (!stored_ || !(verdict_.may_outlive_silence || verdict_.may_outlive_errors)) return error_response(error);
  if (is_silence(error)) parts_.silent.add(std::string(origin_of(url_)), std::chrono::steady_clock::now());
  return from_store("hit; detail=stale");
}

async::awaitable<Answer> HttpExchange::follow() {
  const auto wait = stored_ ? store::BlobReader::TimePoint::max() : std::chrono::steady_clock::now() + kCollapseWait;
  auto outcome = co_await reader_->head(wait);
  if (!outcome) co_return failed(outcome.error());
  if (auto* over = std::get_if<store::TakeOver>(&*outcome)) {
    // What has a head already is in the middle of its bytes, which this one has seen nothing of.
    if (over->writer->head() == nullptr) co_return co_await lead(std::move(over->writer));
    co_return std::nullopt;
  }
  if (const auto* head = std::get_if<const store::BlobHead*>(&*outcome)) {
    if (auto response = co_await along(**head)) co_return response;
    co_return co_await share_again();
  }
  // It was confirmed, or it was not for sharing.
  co_return co_await look_again();
}

/// After a download that does not answer this request: it is another variant, whose leader has written down by now what
/// the responses vary by; or it has to be checked, which it can be when it is in the store, a moment after its bytes.
async::awaitable<Answer> HttpExchange::share_again() {
  if (std::exchange(is_second_try_, true)) co_return co_await share_alone();
  reader_.reset();
  const auto place = place_;
  for (int i = 0; i < kSettleTries && !stored_ && place_ == place; ++i) {
    co_await look_up();
    if (!stored_ && place_ == place) co_await async::sleep_for(kSettlePause);
  }
  co_return co_await share();
}

/// What is stale is checked, and outlives what happens, for each of those who waited.
async::awaitable<Answer> HttpExchange::share_alone() {
  if (!stored_ || std::exchange(is_alone_, true)) co_return std::nullopt;
  co_return co_await share();
}

async::awaitable<Answer> HttpExchange::look_again() {
  reader_.reset();
  co_await look_up();
  if (stored_ && verdict_.use == Use::fresh) co_return from_store("hit; collapsed");
  if (auto part = co_await from_parts()) co_return part;
  co_return co_await share_alone();
}

/// Which the origin may have chosen otherwise.
bool HttpExchange::is_wanted_part(http::FieldView fields) const {
  const auto range = parse_content_range(fields.find("Content-Range").value_or(""));
  const auto asked = request_.fields().find("Range");
  if (!range || !asked || !is_for_part_) return false;
  const auto choice = choose_range(*asked, range->size);
  return choice.kind == RangeChoice::Kind::part && choice.range.offset == range->first &&
         choice.range.count == range->last - range->first + 1;
}

/// Only if it would have answered this request, too, had it come a moment later.
async::awaitable<Answer> HttpExchange::along(const store::BlobHead& head) {
  auto fields = fields_of(head.header_text);
  if (head.status == kPartialContent && !is_wanted_part(fields)) co_return std::nullopt;
  const auto note = cache::parse_response_note(head.note).value_or(cache::ResponseNote{});
  const auto keeping = note.is_by_pack ? keeping_ : cache::Keeping::as_said;
  const auto names = cache::vary_names(fields, keeping);
  if (!names || cache::variant_of(*names, origin_->fields()) != note.variant) co_return std::nullopt;
  const cache::StoredResponse arrived{.status = head.status,
                                      .fields = fields,
                                      .initial_age = note.initial_age,
                                      .received = cache::sys_seconds(cache::seconds(head.received_at)),
                                      .keeping = keeping};
  if (cache::judge(arrived, asked_, wall_seconds(), ttl_max_).use != Use::fresh) co_return std::nullopt;
  http::append_via(fields, http::Version::http_1_1, parts_.name);
  add_cache_status(fields, "fwd=uri-miss; collapsed");
  auto answer = arriving(head, std::move(fields));
  if (answer) outcome_ = CacheOutcome::coalesced;
  co_return answer;
}

http::Response HttpExchange::from_store(std::string_view how) {
  outcome_ = CacheOutcome::hit;
  auto fields = stored_->fields;
  http::append_via(fields, http::Version::http_1_1, parts_.name);
  const auto method = request_.head().method;
  auto answer = answer_with({.status = stored_->entry->status,
                             .fields = std::move(fields),
                             .size = stored_->content.size(),
                             .is_whole = true},
                            method, request_.fields());
  mark_as_hit(answer.fields, stored_->entry->stored_at, verdict_.age);
  add_cache_status(answer.fields, how);
  return response_from(stored_->content, std::move(answer), method);
}

Answer HttpExchange::arriving(const store::BlobHead& head, http::Fields fields) {
  const auto method = request_.head().method;
  auto answer =
      answer_with({.status = head.status, .fields = std::move(fields), .size = head.length}, method, request_.fields());
  if (!answer.has_body) return without_body(std::move(answer), method, head.length);
  if (answer.range.offset > reader_->received() + CachedExchange::kAheadBytesMax) return std::nullopt;
  http::Response response{.status = answer.status, .fields = std::move(answer.fields)};
  const bool is_part = response.status == 206;
  response.body =
      std::make_unique<ArrivingBody>(std::move(reader_), head, parts_.fills,
                                     ArrivingBodyOptions{.origin = origin_,
                                                         .key = place_,
                                                         .range = is_part ? std::optional(answer.range) : std::nullopt,
                                                         .url = url_,
                                                         .generation = generation_});
  return response;
}

void HttpExchange::check_in_background() { parts_.fills.spawn(check(parts_.store, flight_key(place_), refresh())); }

}  // namespace propeller::forward
