#include "forward/cache_listing.hpp"

#include <algorithm>

#include "cache/entry_note.hpp"
#include "forward/cache_answer.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/cached_responses.hpp"
#include "forward/redaction.hpp"
#include "forward/registry_path.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

namespace {

/// Of the index at a time: an entry may have 128 KiB.
constexpr std::size_t kBatch = 100;

bool is_docker_hub(std::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io";
}

std::string_view without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  return colon == std::string_view::npos || host.ends_with(']') ? host : host.substr(0, colon);
}

bool is_same_host(std::string_view wanted, std::string_view host) {
  if (http::equals_ignoring_case(wanted, host) || http::equals_ignoring_case(wanted, without_port(host))) return true;
  return is_docker_hub(wanted) && is_docker_hub(without_port(host));
}

bool is_same_repository(std::string_view wanted, const KeyFacts& facts) {
  if (facts.repository.empty()) return false;
  if (wanted == facts.repository) return true;
  const auto slash = wanted.find('/');
  return slash != std::string_view::npos && wanted.substr(slash + 1) == facts.repository &&
         is_same_host(wanted.substr(0, slash), facts.host);
}

/// A blank is in no URL: behind it stands which variant it is.
bool is_of_url(std::string_view key, std::string_view url) {
  return key.starts_with(url) && (key.size() == url.size() || key[url.size()] == ' ');
}

bool is_of_key(std::string_view key, std::string_view wanted) {
  return is_of_url(key, wanted) || (wanted.find(kRedacted) != std::string_view::npos &&
                                    is_of_url(redact_url(key.substr(0, key.find(' '))), wanted));
}

/// From the path of a key on, without what tells its variants apart.
std::string_view path_of(std::string_view rest) { return rest.substr(0, rest.find_first_of("? ")); }

/// What a pack makes of it. Which are on is not asked: it is kept by one.
cache::Keeping keeping_of(const cache::ResponseNote& note, std::string_view key) {
  if (!note.is_by_pack) return cache::Keeping::as_said;
  const auto host = key.find("://");
  const auto slash = host == std::string_view::npos ? host : key.find('/', host + 3);
  if (slash == std::string_view::npos) return cache::Keeping::as_said;
  const auto keeping = cache::keeping_of({.is_npm_on = true, .is_debian_on = true}, path_of(key.substr(slash)), {});
  // That it is a document was said by its request alone.
  return keeping == cache::Keeping::as_said ? cache::Keeping::document : keeping;
}

}  // namespace

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::digest: return "digest";
    case EntryKind::tag: return "tag";
    case EntryKind::http: break;
  }
  return "http";
}

std::optional<EntryKind> parse_entry_kind(std::string_view name) {
  for (const auto kind : {EntryKind::digest, EntryKind::http, EntryKind::tag}) {
    if (name == to_string(kind)) return kind;
  }
  return std::nullopt;
}

KeyFacts facts_of_key(std::string_view key) {
  KeyFacts facts;
  const auto scheme = key.find("://");
  if (scheme == std::string_view::npos) return facts;
  key.remove_prefix(scheme + 3);
  const auto slash = std::min(key.find('/'), key.size());
  facts.host = key.substr(0, slash);
  const auto path = path_of(key.substr(slash));
  if (const auto registry = parse_registry_path(path); registry && check_names(*registry)) {
    facts.repository = registry->repository;
    if (registry->call == RegistryCall::manifest) facts.kind = EntryKind::tag;
  }
  if (digest_in_path(path)) facts.kind = EntryKind::digest;
  return facts;
}

bool EntryFilter::is_empty() const {
  return key.empty() && prefix.empty() && host.empty() && repository.empty() && !digest && !kind;
}

bool EntryFilter::fits(const store::Entry& entry) const {
  if (!key.empty() && !is_of_key(entry.key, key)) return false;
  if (!entry.key.starts_with(prefix)) return false;
  if (digest && entry.digest != digest) return false;
  if (host.empty() && repository.empty() && !kind) return true;
  const auto facts = facts_of_key(entry.key);
  return (host.empty() || is_same_host(host, facts.host)) &&
         (repository.empty() || is_same_repository(repository, facts)) && (!kind || *kind == facts.kind);
}

bool EntryFilter::fits(const store::BlobInfo& blob) const {
  return key.empty() && prefix.empty() && host.empty() && repository.empty() && (!digest || *digest == blob.digest) &&
         (!kind || *kind == EntryKind::digest);
}

std::string_view EntryFilter::range() const {
  if (key.empty()) return prefix;
  return std::string_view(key).substr(0, key.find(kRedacted));
}

std::optional<CachedItem> CacheListing::item_of(const store::Entry& entry) const {
  // By what the responses of a URL vary is no response.
  if (cache::parse_vary_note(entry.note)) return std::nullopt;
  const auto blob = entry.digest ? store_.blob_info(*entry.digest) : std::nullopt;
  if (entry.digest && !blob) return std::nullopt;
  CachedItem item{.key = redact_url(entry.key),
                  .facts = facts_of_key(entry.key),
                  .digest = entry.digest,
                  .size = entry.size,
                  .status = entry.status,
                  .stored_at = entry.stored_at,
                  .used_at = blob ? blob->used_at : 0,
                  .is_pinned = blob && blob->is_pinned,
                  .freshness = std::nullopt};
  if (const auto note = cache::parse_response_note(entry.note)) {
    const auto fields = fields_of(entry.header_text);
    const cache::StoredResponse stored{.status = entry.status,
                                       .fields = fields,
                                       .initial_age = note->initial_age,
                                       .received = cache::sys_seconds(cache::seconds(entry.checked_at)),
                                       .keeping = keeping_of(*note, entry.key)};
    item.freshness = cache::judge(stored, {}, wall_seconds(), ttl_max_);
  }
  return item;
}

async::awaitable<Result<void>> CacheListing::add_entries(const EntryFilter& filter, Position& position,
                                                         std::size_t count, Page& page) {
  for (std::size_t looked_at = 0; looked_at < kLookedAtMax && page.items.size() < count;) {
    const auto batch = co_await store_.list_entries(std::string(filter.range()), position.key, kBatch);
    if (!batch) co_return std::unexpected(batch.error());
    for (const auto& entry : *batch) {
      position.key = entry.key;
      ++looked_at;
      if (!filter.fits(entry)) continue;
      if (auto item = item_of(entry)) page.items.push_back(std::move(*item));
      if (page.items.size() == count) co_return Result<void>();
    }
    if (batch->empty()) {
      position.are_entries_done = true;
      break;
    }
  }
  co_return Result<void>();
}

async::awaitable<Result<void>> CacheListing::add_unnamed(const EntryFilter& filter, Position& position,
                                                         std::size_t count, Page& page) {
  for (std::size_t looked_at = 0; looked_at < kLookedAtMax && page.items.size() < count;) {
    const auto batch = co_await store_.list_unnamed_blobs(position.blob, kBatch);
    if (!batch) co_return std::unexpected(batch.error());
    if (batch->empty()) {
      position.blob.reset();
      co_return Result<void>();
    }
    for (const auto& blob : *batch) {
      position.blob = blob.digest;
      ++looked_at;
      if (!filter.fits(blob) || !store_.has_blob(blob.digest)) continue;
      page.items.push_back({.key = {},
                            .facts = {.kind = EntryKind::digest, .host = {}, .repository = {}},
                            .digest = blob.digest,
                            .size = blob.size,
                            .used_at = blob.used_at,
                            .is_pinned = blob.is_pinned,
                            .freshness = std::nullopt});
      if (page.items.size() == count) break;
    }
  }
  co_return Result<void>();
}

async::awaitable<Result<CacheListing::Page>> CacheListing::list(EntryFilter filter, Position from, std::size_t count) {
  count = std::clamp<std::size_t>(count, 1, kItemsMax);
  Page page;
  if (!from.are_entries_done) {
    if (auto added = co_await add_entries(filter, from, count, page); !added) co_return std::unexpected(added.error());
    const bool wants_blobs = filter.fits(store::BlobInfo{.digest = filter.digest.value_or(store::BlobDigest())});
    if (!from.are_entries_done || wants_blobs) page.next = from;
    co_return page;
  }
  if (auto added = co_await add_unnamed(filter, from, count, page); !added) co_return std::unexpected(added.error());
  if (from.blob) page.next = from;
  co_return page;
}

async::awaitable<Result<store::ContentStore::Erased>> CacheListing::purge(EntryFilter filter) {
  if (filter.is_empty()) co_return fail(Code::bad_request, Origin::client, "nothing says what is to be purged");
  store::ContentStore::Erased total;
  std::string after;
  for (;;) {
    const auto batch = co_await store_.list_entries(std::string(filter.range()), after, kBatch);
    if (!batch) co_return std::unexpected(batch.error());
    if (batch->empty()) co_return total;
    after = batch->back().key;
    std::vector<std::string> keys;
    for (const auto& entry : *batch) {
      if (filter.fits(entry)) keys.push_back(entry.key);
    }
    if (keys.empty()) continue;
    const auto erased = co_await store_.erase_unpinned(std::move(keys));
    if (!erased) co_return std::unexpected(erased.error());
    total.entries += erased->entries;
    total.blobs += erased->blobs;
    total.bytes += erased->bytes;
  }
}

}  // namespace propeller::forward
