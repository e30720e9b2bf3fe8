#include "store/entry_cache.hpp"

namespace propeller::store {

namespace {

// The entry, its counts, two nodes and a bucket, and what malloc adds to each of them and to the strings.
constexpr std::size_t kOverheadBytes = 384;

std::size_t cost_of(const Entry& entry) {
  return entry.key.size() + entry.header_text.size() + entry.note.size() + kOverheadBytes;
}

}  // namespace

std::shared_ptr<const Entry> EntryCache::find(const std::string& key) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) return nullptr;
  shard.order.splice(shard.order.end(), shard.order, found->second);
  return *found->second;
}

std::uint64_t EntryCache::generation(const std::string& key) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  return shard.generation;
}

void EntryCache::put(std::uint64_t generation, std::shared_ptr<const Entry> entry) {
  Shard& shard = shard_of(entry->key);
  const std::scoped_lock lock(shard.mutex);
  // Whoever read what was there before keeps it to himself.
  if (shard.generation++ == generation) return insert(shard, std::move(entry));
  if (const auto found = shard.entries.find(entry->key); found != shard.entries.end()) drop(shard, found->second);
}

void EntryCache::put_if(std::uint64_t generation, std::shared_ptr<const Entry> entry) {
  Shard& shard = shard_of(entry->key);
  const std::scoped_lock lock(shard.mutex);
  if (shard.generation == generation) insert(shard, std::move(entry));
}

void EntryCache::erase(const std::string& key) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  ++shard.generation;
  if (const auto found = shard.entries.find(key); found != shard.entries.end()) drop(shard, found->second);
}

void EntryCache::clear() {
  for (Shard& shard : shards_) {
    const std::scoped_lock lock(shard.mutex);
    ++shard.generation;
    shard.entries.clear();
    shard.order.clear();
    shard.bytes = 0;
  }
}

void EntryCache::drop(Shard& shard, Order::iterator place) {
  shard.bytes -= cost_of(**place);
  shard.entries.erase((*place)->key);
  shard.order.erase(place);
}

void EntryCache::insert(Shard& shard, std::shared_ptr<const Entry> entry) const {
  if (const auto found = shard.entries.find(entry->key); found != shard.entries.end()) drop(shard, found->second);
  const std::size_t cost = cost_of(*entry);
  if (cost > shard_bytes_max_) return;
  while (shard.bytes + cost > shard_bytes_max_) drop(shard, shard.order.begin());
  shard.bytes += cost;
  const auto place = shard.order.insert(shard.order.end(), std::move(entry));
  shard.entries.emplace((*place)->key, place);
}

}  // namespace propeller::store
