#include "forward/cached_responses.hpp"

#include <algorithm>
#include <utility>

#include "cache/update.hpp"
#include "cache/vary.hpp"
#include "forward/cache_answer.hpp"
#include "http/forwarding.hpp"

namespace propeller::forward {

using cache::seconds;
using cache::sys_seconds;

namespace {

/// A blank is in no URL.
std::string variant_key(const std::string& url, std::string_view variant) {
  return std::string(url).append(" ").append(variant);
}

}  // namespace

sys_seconds wall_seconds() { return std::chrono::floor<seconds>(std::chrono::system_clock::now()); }

cache::StoredResponse CachedResponse::stored(cache::Keeping keeping) const {
  return {.status = entry->status,
          .fields = fields,
          .initial_age = note.initial_age,
          .received = sys_seconds(seconds(entry->checked_at)),
          .keeping = note.is_by_pack ? keeping : cache::Keeping::as_said};
}

async::awaitable<std::shared_ptr<const store::Entry>> CachedResponses::entry_of(std::string key) {
  const auto found = co_await store_.find_entry(std::move(key));
  co_return found ? *found : nullptr;
}

async::awaitable<CachedResponses::Found> CachedResponses::find(const std::string& url, http::FieldView request) {
  Found found{.key = url};
  auto entry = co_await entry_of(url);
  if (entry) {
    if (const auto names = cache::parse_vary_note(entry->note)) {
      found.key = variant_key(url, cache::variant_of(cache::split_names(*names), request));
      entry = co_await entry_of(found.key);
    }
  }
  if (!entry || !entry->digest) co_return found;
  auto blob = co_await store_.find_blob(*entry->digest);
  if (!blob) co_return found;
  auto note = cache::parse_response_note(entry->note).value_or(cache::ResponseNote{});
  StoredContent content{.blob = std::move(blob), .text_size = std::nullopt};
  if (note.is_zstd) content.text_size = entry->size;
  found.response = CachedResponse{
      .entry = entry, .content = std::move(content), .fields = fields_of(entry->header_text), .note = std::move(note)};
  co_return found;
}

async::awaitable<std::string> CachedResponses::place(const std::string& url, const std::vector<std::string>& names,
                                                     http::FieldView request) {
  if (names.empty()) co_return url;
  auto note = cache::vary_note(cache::join_names(names));
  const auto there = co_await entry_of(url);
  if (!there || there->note != note) {
    // What cannot be noted is not found again, which is no more than a miss.
    (void)co_await store_.put_entry(
        {.key = url, .note = std::move(note), .stored_at = wall_seconds().time_since_epoch().count()});
  }
  co_return variant_key(url, cache::variant_of(names, request));
}

async::awaitable<CachedResponse> CachedResponses::confirm(CachedResponse response, Confirmation confirmation) {
  const auto received = wall_seconds();
  http::Fields news(confirmation.fields);
  http::remove_hop_by_hop(news);
  const auto before = std::exchange(response.entry, nullptr);
  const auto names = cache::vary_names(response.fields);
  const auto named_now = cache::vary_names(news);
  // What adds nothing may leave some out: a 304 has no body that a coding could be chosen for.
  const bool varies_alike = names && named_now && std::ranges::includes(*names, *named_now);
  if (varies_alike) news.remove("Vary");
  response.fields = cache::freshened(response.fields, news);
  response.note.initial_age = cache::initial_age(news, confirmation.requested, received);
  const bool is_likely = cache::is_likely(confirmation.keeping, before->status, response.fields);
  const auto keeping = is_likely ? confirmation.keeping : cache::Keeping::as_said;
  response.note.is_by_pack |= is_likely;
  if (response.note.is_by_pack) response.fields.remove("Set-Cookie");
  const bool is_for_others = varies_alike && cache::may_store({.method = http::Method::get,
                                                               .credentials = confirmation.credentials,
                                                               .status = before->status,
                                                               .fields = response.fields,
                                                               .received = received,
                                                               .keeping = keeping});
  auto entry = *before;
  entry.header_text = kept_header_text(response.fields, CacheRules::http);
  entry.note = cache::to_text(response.note);
  entry.checked_at = received.time_since_epoch().count();
  response.fields = fields_of(entry.header_text);
  response.entry = std::make_shared<const store::Entry>(entry);
  if (is_for_others) (void)co_await store_.replace_entry(before, std::move(entry));
  co_return response;
}

async::awaitable<void> CachedResponses::forget(std::string url) {
  (void)co_await store_.erase_entry(url);
  for (std::string after;;) {
    const auto beside = co_await store_.list_entries(url + " ", after, kPage);
    if (!beside || beside->empty()) co_return;
    after = beside->back().key;
    for (const auto& entry : *beside) (void)co_await store_.erase_entry(entry.key);
  }
}

}  // namespace propeller::forward
