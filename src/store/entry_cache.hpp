#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/entry.hpp"

namespace propeller::store {

/// The entries used last, so that a hit on a hot one asks no database.
///
/// Order:    least recently used go first.
/// Bound:    `bytes_max` over all shards.
/// Threads:  any; sharded, a shard's mutex is held for one look-up.
class EntryCache {
 public:
  explicit EntryCache(std::size_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {}

  [[nodiscard]] std::shared_ptr<const Entry> find(const std::string& key);
  /// What stands for "nothing changed since": taken before a read or a write of the database, given to what follows.
  [[nodiscard]] std::uint64_t generation(const std::string& key);
  /// What was written; not when another write or erasure of a core beside may have come after it: the database knows.
  void put(std::uint64_t generation, std::shared_ptr<const Entry> entry);
  /// What was read.
  void put_if(std::uint64_t generation, std::shared_ptr<const Entry> entry);
  void erase(const std::string& key);
  void clear();

 private:
  static constexpr std::size_t kShards = 16;
  using Order = std::list<std::shared_ptr<const Entry>>;
  struct Shard {
    std::mutex mutex;
    Order order;                                                    // least recently used first
    std::unordered_map<std::string_view, Order::iterator> entries;  // keys are the entries' own
    std::size_t bytes = 0;
    std::uint64_t generation = 0;
  };
  Shard& shard_of(const std::string& key) { return shards_[std::hash<std::string>()(key) % kShards]; }
  static void drop(Shard& shard, Order::iterator place);
  void insert(Shard& shard, std::shared_ptr<const Entry> entry) const;

  std::size_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace propeller::store
