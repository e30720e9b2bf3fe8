#pragma once

#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/core.hpp"
#include "store/depot.hpp"
#include "store/entry_cache.hpp"
#include "store/hash_set.hpp"

namespace propeller::store {

/// Entries by key: which there are (a hash of each key in memory), the hot ones whole, all of them in the index.
///
/// Order:    an entry is found when put() has returned, and not found when erase() has.
/// Bound:    StoreOptions::entries_max; memory see HashSet and EntryCache.
/// Threads:  any core after load().
/// Lifetime: the depot outlives it.
class EntryBook {
 public:
  EntryBook(Depot& depot, boost::asio::thread_pool& pool, std::size_t hot_bytes_max)
      : depot_(depot), pool_(pool), hot_(hot_bytes_max) {}

  /// What there is by the index, instead of what was known.
  [[nodiscard]] Result<void> load();

  /// In the place of `before`, or of whatever is there when that is null.
  [[nodiscard]] async::awaitable<Result<void>> put(Entry entry, std::shared_ptr<const Entry> before = nullptr);
  [[nodiscard]] async::awaitable<Result<std::shared_ptr<const Entry>>> find(std::string key);
  /// Null when it is not in memory. Whether its blob is still there is not looked at.
  [[nodiscard]] std::shared_ptr<const Entry> find_hot(const std::string& key) { return hot_.find(key); }
  [[nodiscard]] async::awaitable<Result<bool>> erase(std::string key);
  [[nodiscard]] async::awaitable<Result<std::vector<Entry>>> list(std::string prefix, std::string after,
                                                                  std::size_t count);
  /// Those of them that do not name pinned content.
  [[nodiscard]] async::awaitable<Result<StoreIndex::ErasedEntries>> erase_unpinned(std::vector<std::string> keys);
  [[nodiscard]] async::awaitable<Result<void>> clear_unpinned();
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  [[nodiscard]] bool may_have(const std::string& key) const;
  [[nodiscard]] bool has_body(const Entry& entry) const;
  void remember(const std::string& key);
  void forget(const std::string& key);

  Depot& depot_;
  boost::asio::thread_pool& pool_;
  EntryCache hot_;
  mutable std::mutex mutex_;
  HashSet keys_;  // some may be gone with their blob: then the index says so, once
};

}  // namespace propeller::store
