#include "forward/cached_exchange.hpp"

#include "cache/directives.hpp"
#include "forward/arriving_body.hpp"
#include "forward/forwarder.hpp"
#include "http/forwarding.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

using Answer = std::optional<http::Response>;

using config::PrivateContent;

namespace {

constexpr bool is_success(int status) { return status >= 200 && status <= 299; }

/// Our name is not kept with them: it is another one after a restart.
http::Fields kept_fields(std::string_view header_text, std::string_view our_name) {
  auto fields = fields_of(header_text);
  http::append_via(fields, http::Version::http_1_1, our_name);
  return fields;
}

http::Response hit_from(const store::ContentStore::Found& stored, const http::Request& request,
                        std::string_view our_name) {
  const auto& entry = *stored.entry;
  const StoredContent content{.blob = stored.blob};
  const auto method = request.head().method;
  auto answer = answer_with({.status = entry.status,
                             .fields = kept_fields(entry.header_text, our_name),
                             .size = content.size(),
                             .is_whole = true},
                            method, request.fields());
  mark_as_hit(answer.fields, entry.stored_at,
              std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  answer.fields.add_view("Cache-Status", "propeller-proxy; hit");
  return response_from(content, std::move(answer), method);
}

/// What the rules of HTTP keep has the same name, and a note: that may be for those only whom the origin was asked
/// about, and for a while.
bool is_by_http_rules(const auto& entry_or_head) { return !entry_or_head.note.empty(); }

bool fits(const store::Entry& entry, const CacheDecision& decision) {
  return entry.digest && !is_by_http_rules(entry) && (!decision.digest || entry.digest == decision.digest);
}

void count_hit(CacheCounters& counters, const http::Request& request) {
  if (request.head().method == http::Method::get) counters.count_hit();
}

}  // namespace

Answer hit_at_once(const CacheParts& parts, const CacheDecision& decision, const http::Request& request) {
  const auto found = parts.store.find_now(decision.key);
  if (!found || !fits(*found->entry, decision)) return std::nullopt;
  count_hit(parts.counters, request);
  return hit_from(*found, request, parts.name);
}

CachedHead CachedExchange::head_of(const store::BlobHead& head) const {
  return {.status = head.status, .fields = kept_fields(head.header_text, parts_.name), .size = head.length};
}

async::awaitable<std::optional<CachedExchange::Stored>> CachedExchange::find(std::string key) const {
  const auto found = co_await parts_.store.find_entry(std::move(key));
  if (!found || !*found || !fits(**found, decision_)) co_return std::nullopt;
  auto blob = co_await parts_.store.find_blob(*(*found)->digest);
  if (!blob) co_return std::nullopt;
  co_return Stored{.entry = *found, .blob = std::move(blob)};
}

http::Response CachedExchange::answer_from(const Stored& stored) const {
  return hit_from(stored, request_, parts_.name);
}

void CachedExchange::count(bool is_hit) const {
  if (request_.head().method != http::Method::get) return;
  if (is_hit) {
    parts_.counters.count_hit();
  } else {
    parts_.counters.count_miss();
  }
}

async::awaitable<Answer> CachedExchange::look_up() {
  const auto found = co_await find(decision_.key);
  if (!found) co_return std::nullopt;
  count(true);
  co_return answer_from(*found);
}

async::awaitable<Answer> CachedExchange::share(http::Destination destination, const http::OutgoingRequest& out) {
  const bool is_verified = decision_.digest.has_value();
  auto& client = is_verified ? parts_.content_client : parts_.client;
  origin_ = std::make_shared<const ContentOrigin>(client, std::move(destination), out, is_verified);
  caller_ = caller_of({.url = decision_.key,
                       .asked = request_.fields(),
                       .sent = out.fields,
                       .secret_fields = out.secret_fields,
                       .own_login = decision_.own_login});
  if (decision_.digest) private_key_ = private_key(decision_.key, caller_, matcher_.private_content());
  const bool may_ask = !cache::request_directives(request_.fields()).only_if_cached;
  auto answer = may_ask || is_accepted() ? co_await stored_privately() : std::nullopt;
  if (!answer && !may_ask) co_return not_in_cache();
  if (answer) {
    outcome_ = CacheOutcome::hit;
  } else if (caller_.login != Caller::Login::none) {
    answer = co_await share_privately();
  } else {
    answer = decision_.may_store ? co_await begin_or_join() : co_await ride_along();
  }
  count(outcome_ == CacheOutcome::hit);
  co_return answer;
}

async::awaitable<Answer> CachedExchange::stored_privately() {
  const auto found = private_key_ ? co_await find(*private_key_) : std::nullopt;
  if (!found || !co_await ask_for_caller() || !is_admitted(found->blob->size())) co_return std::nullopt;
  if (caller_.login == Caller::Login::none) {
    // The registry gives it to everybody: so do we from now on.
    auto entry = *found->entry;
    entry.key = decision_.key;
    (void)co_await parts_.store.put_entry(std::move(entry));
  }
  co_return answer_from(*found);
}

async::awaitable<Answer> CachedExchange::share_privately() {
  const bool may_begin = std::exchange(decision_.may_store, false);
  // It may be on its way for everybody.
  if (auto answer = co_await ride_along()) co_return answer;
  if (!private_key_) co_return std::nullopt;
  decision_.key = *private_key_;
  decision_.may_store = may_begin;
  is_private_ = true;
  co_return may_begin ? co_await begin_or_join() : co_await ride_along();
}

/// Asks the registry what it would give to this caller, unless it has accepted him before. False: nothing.
async::awaitable<bool> CachedExchange::ask_for_caller() {
  if (is_accepted()) {
    is_admitted_ = true;
    co_return true;
  }
  const auto answer = co_await origin_->ask_whether();
  if (!answer || !is_success(answer->status)) co_return false;
  length_for_caller_ = http::parse_decimal(answer->fields.find("Content-Length").value_or(""));
  co_return length_for_caller_.has_value();
}

/// After ask_for_caller(): the length says that it is this content, and not a page to log in with. Without one it is no
/// yes.
bool CachedExchange::is_admitted(std::optional<std::uint64_t> size) {
  if (is_admitted_) return true;
  if (!size || size != length_for_caller_) return false;
  parts_.accepted.add(caller_.name, std::chrono::steady_clock::now(), matcher_.private_ttl());
  is_admitted_ = true;
  return true;
}

/// Under proxy_credentials the key says already that they are the same.
bool CachedExchange::is_accepted() const {
  return matcher_.private_content() == PrivateContent::proxy_credentials ||
         parts_.accepted.contains(caller_.name, std::chrono::steady_clock::now());
}

async::awaitable<Answer> CachedExchange::begin_or_join() {
  auto joined = co_await parts_.store.join({.key = decision_.key, .digest = decision_.digest});
  if (!joined) co_return std::nullopt;
  reader_ = std::move(joined->reader);
  if (!joined->writer) co_return co_await follow();
  // The download that was on its way at the first look may have ended before the second.
  auto found = !is_private_ || is_accepted() ? co_await find(decision_.key) : std::nullopt;
  if (!found && co_await bring()) found = co_await find(decision_.key);
  if (found) {
    joined->writer->decline();
    outcome_ = CacheOutcome::hit;
    co_return answer_from(*found);
  }
  co_return co_await lead(std::move(joined->writer));
}

/// From those who share our store, where anybody may have it.
async::awaitable<bool> CachedExchange::bring() const {
  auto* backing = parts_.store.backing();
  if (backing == nullptr || is_private_ || !decision_.digest) co_return false;
  co_return co_await backing->bring(decision_.key, *decision_.digest);
}

async::awaitable<Answer> CachedExchange::lead(std::unique_ptr<store::BlobWriter> writer) {
  outcome_ = CacheOutcome::miss;
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
                           (decision_.digest || !has_doubtful_end(*received));
  if (!is_storable) {
    writer->decline();
    if (is_success(received->status) && !decision_.digest)
      parts_.unfit.add(decision_.key, std::chrono::steady_clock::now());
    co_return relayed(std::move(*received), parts_.name);
  }
  auto response = relayed(std::move(*received), parts_.name);
  parts_.fills.spawn({.origin = origin_,
                      .key = decision_.key,
                      .writer = std::move(writer),
                      .caller = is_private_ ? caller_.name : std::string(),
                      .caller_ttl = matcher_.private_ttl(),
                      .is_for_everybody = !is_private_ && decision_.digest && head.status == 200,
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
  if (is_private_ && !co_await ask_for_caller()) co_return std::nullopt;
  auto outcome = co_await reader_->head();
  if (!outcome) co_return error_response(outcome.error());
  if (auto* over = std::get_if<store::TakeOver>(&*outcome)) co_return co_await lead(std::move(over->writer));
  if (const auto* head = std::get_if<const store::BlobHead*>(&*outcome)) {
    if (is_by_http_rules(**head) || (is_private_ && !is_admitted((*head)->length))) co_return std::nullopt;
    co_return arriving(**head, answer_with(head_of(**head), http::Method::get, {}));
  }
  // It was not for sharing, or it was there already.
  const auto found = co_await find(decision_.key);
  if (!found || (is_private_ && !is_admitted(found->blob->size()))) co_return std::nullopt;
  outcome_ = CacheOutcome::hit;
  co_return answer_from(*found);
}

/// For those that cannot begin a download: HEAD, ranges of what is there, callers with credentials.
async::awaitable<Answer> CachedExchange::ride_along() {
  auto joined = co_await parts_.store.join({.key = decision_.key, .digest = decision_.digest, .may_begin = false});
  if (!joined || !joined->reader) co_return std::nullopt;
  reader_ = std::move(joined->reader);
  if (is_private_ && !co_await ask_for_caller()) co_return std::nullopt;
  const auto outcome = co_await reader_->head();
  if (!outcome) co_return std::nullopt;
  const auto* head = std::get_if<const store::BlobHead*>(&*outcome);
  if (head == nullptr || is_by_http_rules(**head) || (is_private_ && !is_admitted((*head)->length)))
    co_return std::nullopt;
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
