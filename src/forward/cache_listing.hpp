#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/freshness.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

enum class EntryKind : std::uint8_t {
  digest,  ///< its path names its digest, or it has no URL at all
  http,    ///< by the rules of HTTP, or by a pattern
  tag      ///< a manifest by its tag
};
[[nodiscard]] std::string_view to_string(EntryKind kind);
[[nodiscard]] std::optional<EntryKind> parse_entry_kind(std::string_view name);

/// What the key of an entry says.
struct KeyFacts {
  EntryKind kind = EntryKind::http;
  std::string host;        ///< with the port where it is not the scheme's
  std::string repository;  ///< of a registry's path

  friend bool operator==(const KeyFacts&, const KeyFacts&) = default;
};
[[nodiscard]] KeyFacts facts_of_key(std::string_view key);

/// Which entries are meant: those that everything given here fits.
struct EntryFilter {
  std::string key;         ///< this one and its variants; secrets in its query may be redacted
  std::string prefix;      ///< of the key
  std::string host;        ///< with or without the port; docker.io is all of Docker Hub's names
  std::string repository;  ///< with or without the host before it
  std::optional<store::BlobDigest> digest = {};
  std::optional<EntryKind> kind = {};

  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] bool fits(const store::Entry& entry) const;
  /// A blob that no entry names.
  [[nodiscard]] bool fits(const store::BlobInfo& blob) const;
  /// What every key that fits begins with.
  [[nodiscard]] std::string_view range() const;
};

/// What the cache has under a key, as an operator sees it.
struct CachedItem {
  std::string key;  ///< secrets in its query are redacted; empty of a blob that no entry names
  KeyFacts facts;
  std::optional<store::BlobDigest> digest;
  std::uint64_t size = 0;
  int status = 0;
  std::int64_t stored_at = 0;  ///< Unix seconds; 0: not known
  std::int64_t used_at = 0;
  bool is_pinned = false;
  std::optional<cache::Verdict> freshness;  ///< by the rules of HTTP
};

/// The entries of a store, listed and purged.
///
/// Bound:    a page has kItemsMax items at most, and looks at kLookedAtMax entries for them: it may have fewer items,
///           or none, and still not be the last.
/// Threads:  one core. Lifetime: the store outlives it.
class CacheListing {
 public:
  static constexpr std::size_t kItemsMax = 1000;
  static constexpr std::size_t kLookedAtMax = 5'000;

  /// Where to go on: behind an entry, or, after the last one, behind a blob that no entry names.
  struct Position {
    std::string key = {};
    bool are_entries_done = false;
    std::optional<store::BlobDigest> blob = {};
  };
  struct Page {
    std::vector<CachedItem> items = {};
    std::optional<Position> next = {};
  };

  /// `ttl_max`: how long anything is fresh at most.
  CacheListing(store::ContentStore& store, cache::seconds ttl_max) : store_(store), ttl_max_(ttl_max) {}

  [[nodiscard]] async::awaitable<Result<Page>> list(EntryFilter filter, Position from, std::size_t count);
  /// Every entry that fits, and the blobs that nobody names then. A download that is on its way is kept when it is
  /// complete. Errors: bad_request of an empty filter; those of the store.
  [[nodiscard]] async::awaitable<Result<store::ContentStore::Erased>> purge(EntryFilter filter);

 private:
  [[nodiscard]] std::optional<CachedItem> item_of(const store::Entry& entry) const;
  async::awaitable<Result<void>> add_entries(const EntryFilter& filter, Position& position, std::size_t count,
                                             Page& page);
  async::awaitable<Result<void>> add_unnamed(const EntryFilter& filter, Position& position, std::size_t count,
                                             Page& page);

  store::ContentStore& store_;
  cache::seconds ttl_max_;
};

}  // namespace propeller::forward
