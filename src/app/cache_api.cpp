#include "app/cache_api.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_answer.hpp"
#include "app/cache_questions.hpp"
#include "app/cache_work.hpp"
#include "app/pull_work.hpp"
#include "base/random.hpp"
#include "base/timestamp.hpp"
#include "observe/log.hpp"

namespace propeller::app {

using admin::api_problem;
using admin::ApiAnswer;
using http::Method;
using nlohmann::json;
using observe::kv;

namespace {

constexpr int kBadRequest = 400;
constexpr int kNotFound = 404;
constexpr int kConflict = 409;
constexpr int kGone = 410;
constexpr int kServerError = 500;
constexpr std::size_t kCursorNameBytes = 16;

ApiAnswer problem_of(const Error& error) {
  switch (error.code) {
    case Code::bad_request:
    case Code::bad_reference: return api_problem(kBadRequest, error.detail);
    case Code::not_found: return api_problem(kNotFound, error.detail);
    case Code::limit_exceeded: return api_problem(kConflict, error.detail);
    default: return api_problem(kServerError, error.detail);
  }
}

json timestamp_or_null(std::int64_t unix_seconds) {
  if (unix_seconds == 0) return nullptr;
  const auto text = base::timestamp(std::chrono::sys_seconds(std::chrono::seconds(unix_seconds)));
  return std::string(text.begin(), text.end());
}

json or_null(const std::string& text) { return text.empty() ? json() : json(text); }

json json_of(const forward::CachedItem& item) {
  json value = {{"key", or_null(item.key)},
                {"kind", forward::to_string(item.facts.kind)},
                {"host", or_null(item.facts.host)},
                {"repository", or_null(item.facts.repository)},
                {"digest", item.digest ? json(item.digest->to_string()) : json()},
                {"size", item.size},
                {"status", item.status == 0 ? json() : json(item.status)},
                {"stored_at", timestamp_or_null(item.stored_at)},
                {"last_used", timestamp_or_null(item.used_at)},
                {"pinned", item.is_pinned}};
  if (item.freshness) {
    value["freshness"] = {{"state", item.freshness->use == cache::Verdict::Use::fresh ? "fresh" : "stale"},
                          {"age_seconds", item.freshness->age.count()},
                          {"fresh_for_seconds", item.freshness->time_left.count()}};
  }
  return value;
}

json json_of(const store::BlobInfo& blob) {
  return {{"digest", blob.digest.to_string()}, {"size", blob.size}, {"last_used", timestamp_or_null(blob.used_at)}};
}

Result<store::BlobDigest> digest_of(const std::string& name) {
  auto digest = store::BlobDigest::parse(name);
  if (digest) return digest;
  return fail(Code::bad_request, Origin::client,
              "the path has to end with a digest: sha256: and 64 hex digits, or sha512: and 128");
}

std::unexpected<Error> unknown(const store::BlobDigest& digest) {
  return fail(Code::not_found, Origin::client, fmt::format("{} is not in the cache", digest.to_string()));
}

}  // namespace

std::string CursorBook::keep(forward::CacheListing::Position position) {
  if (cursors_.size() == kCursorsMax) cursors_.pop_front();
  cursors_.push_back({.name = base::random_hex(kCursorNameBytes), .position = std::move(position)});
  return cursors_.back().name;
}

std::optional<forward::CacheListing::Position> CursorBook::find(std::string_view name) const {
  for (const auto& cursor : cursors_) {
    if (cursor.name == name) return cursor.position;
  }
  return std::nullopt;
}

std::vector<admin::ApiRoute> CacheApi::routes() {
  std::vector<admin::ApiRoute> routes;
  const auto add = [&](Method method, std::string path, Handler handler) {
    routes.push_back(route(method, std::move(path), handler));
  };
  add(Method::get, "/api/cache/entries", &CacheApi::entries);
  add(Method::post, "/api/cache/purge", &CacheApi::purge);
  add(Method::get, "/api/cache/pins", &CacheApi::pins);
  add(Method::put, "/api/cache/pins/{digest}", &CacheApi::pin);
  add(Method::del, "/api/cache/pins/{digest}", &CacheApi::unpin);
  add(Method::post, "/api/cache/verify", &CacheApi::verify);
  add(Method::post, "/api/cache/gc", &CacheApi::sweep);
  add(Method::post, "/api/cache/pull", &CacheApi::pull);
  add(Method::del, "/api/cache/{digest}", &CacheApi::erase);
  return routes;
}

admin::ApiRoute CacheApi::route(Method method, std::string path, Handler handler) {
  return {.method = method, .path = std::move(path), .answer = [this, handler](Question question) {
            return store_ == nullptr ? no_cache() : (this->*handler)(std::move(question));
          }};
}

async::awaitable<ApiAnswer> CacheApi::no_cache() { co_return api_problem(kBadRequest, "cache disabled"); }

async::awaitable<ApiAnswer> CacheApi::entries(Question question) {
  auto asked = parse_entries_question(question.query);
  if (!asked) co_return problem_of(asked.error());
  forward::CacheListing::Position from;
  if (!asked->cursor.empty()) {
    auto kept = cursors_.find(asked->cursor);
    if (!kept) co_return api_problem(kGone, "this cursor is not known any more: begin again without one");
    from = std::move(*kept);
  }
  auto page =
      co_await forward::CacheListing(*store_, ttl_max_).list(std::move(asked->filter), std::move(from), asked->count);
  if (!page) co_return problem_of(page.error());
  json items = json::array();
  for (const auto& item : page->items) items.push_back(json_of(item));
  co_return answer_of(
      {{"entries", std::move(items)}, {"cursor", page->next ? json(cursors_.keep(std::move(*page->next))) : json()}});
}

async::awaitable<ApiAnswer> CacheApi::erase(Question question) {
  const auto digest = digest_of(question.parameter);
  if (!digest) co_return problem_of(digest.error());
  const auto blob = store_->blob_info(*digest);
  if (!blob) co_return problem_of(unknown(*digest).error());
  if (auto erased = co_await store_->erase_blob(*digest); !erased) co_return problem_of(erased.error());
  observe::log_info("content erased via API", {kv("digest", digest->short_hex())});
  co_return answer_of({{"status", "ok"}, {"bytes", blob->size}});
}

async::awaitable<ApiAnswer> CacheApi::purge(Question question) {
  auto filter = parse_purge(question.body);
  if (!filter) co_return problem_of(filter.error());
  const auto erased = co_await forward::CacheListing(*store_, ttl_max_).purge(std::move(*filter));
  if (!erased) co_return problem_of(erased.error());
  observe::log_info("cache purged via API", {kv("entries", erased->entries), kv("blobs", erased->blobs)});
  co_return answer_of({{"entries", erased->entries}, {"blobs", erased->blobs}, {"bytes", erased->bytes}});
}

async::awaitable<ApiAnswer> CacheApi::pins(Question) {
  json pins = json::array();
  for (const auto& blob : store_->pinned_blobs()) pins.push_back(json_of(blob));
  co_return answer_of({{"pins", std::move(pins)}});
}

async::awaitable<ApiAnswer> CacheApi::pin(Question question) { return set_pin(question.parameter, true); }

async::awaitable<ApiAnswer> CacheApi::unpin(Question question) { return set_pin(question.parameter, false); }

async::awaitable<ApiAnswer> CacheApi::set_pin(std::string name, bool is_pinned) {
  const auto digest = digest_of(name);
  if (!digest) co_return problem_of(digest.error());
  if (!store_->has_blob(*digest)) co_return problem_of(unknown(*digest).error());
  if (auto done = co_await store_->pin_blob(*digest, is_pinned); !done) co_return problem_of(done.error());
  co_return answer_of({{"status", "ok"}});
}

async::awaitable<ApiAnswer> CacheApi::verify(Question) { co_return begin(std::make_unique<CheckWork>(*store_)); }

async::awaitable<ApiAnswer> CacheApi::sweep(Question question) {
  const auto asked = parse_sweep(question.body);
  if (!asked) co_return problem_of(asked.error());
  co_return begin(std::make_unique<SweepWork>(*store_, asked->takes_unnamed));
}

async::awaitable<ApiAnswer> CacheApi::pull(Question question) {
  if (client_ == nullptr) co_return api_problem(kBadRequest, why_no_pulls_);
  auto asked = parse_pull(question.body);
  if (!asked) co_return problem_of(asked.error());
  if (static_cast<std::size_t>(pulls_.use_count()) > kPullsMax)
    co_return api_problem(kConflict, "as many pulls as there may be run already: wait for the end of one");
  observe::log_info("image pulled via API", {kv("reference", asked->reference.to_string())});
  co_return ApiAnswer{
      .content_type = "text/event-stream",
      .stream = std::make_unique<EventBody>(std::make_unique<PullWork>(*client_, std::move(*asked)), pulls_)};
}

ApiAnswer CacheApi::begin(std::unique_ptr<StepwiseWork> work) {
  if (!working_.expired()) return api_problem(kConflict, "a check or clean-up runs already: wait for its end");
  const auto seat = std::make_shared<int>(0);
  working_ = seat;
  return {.content_type = "text/event-stream", .stream = std::make_unique<EventBody>(std::move(work), seat)};
}

}  // namespace propeller::app
