#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "admin/api_query.hpp"
#include "forward/cache_listing.hpp"

/// What callers of the cache's API may ask. Pure; every error is bad_request with a sentence.
namespace propeller::app {

inline constexpr std::size_t kPageDefault = 100;

struct EntriesQuestion {
  forward::EntryFilter filter = {};
  std::size_t count = kPageDefault;  ///< at most CacheListing::kItemsMax
  std::string cursor = {};
};
/// key, prefix, host, repository, digest, kind, limit and cursor.
[[nodiscard]] Result<EntriesQuestion> parse_entries_question(std::string_view query);

/// {"key":…}, {"prefix":…}, {"repository":…}, {"host":…}: one of them, or several that all have to fit.
[[nodiscard]] Result<forward::EntryFilter> parse_purge(std::string_view document);

struct SweepQuestion {
  bool takes_unnamed = false;
};
/// Nothing, {} or {"unnamed": true}.
[[nodiscard]] Result<SweepQuestion> parse_sweep(std::string_view document);

}  // namespace propeller::app
