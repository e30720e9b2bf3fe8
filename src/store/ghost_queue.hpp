#pragma once

#include <deque>

#include "store/hash_set.hpp"

namespace propeller::store {

/// Names of blobs that were evicted or refused not long ago: whoever comes again is worth more than a newcomer.
///
/// Order: first in, first out. Bound: the sizes of the remembered blobs together stay under `bytes_max`, and their
/// number under kNamesMax.
class GhostQueue {
 public:
  static constexpr std::size_t kNamesMax = 65'536;

  explicit GhostQueue(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  [[nodiscard]] bool contains(std::uint64_t hash) const { return names_.contains(hash); }
  void add(std::uint64_t hash, std::uint64_t bytes);
  /// It came back; its place in the queue runs out by itself.
  void remove(std::uint64_t hash) { names_.erase(hash); }
  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const { return names_.memory_bytes() + queue_.size() * sizeof(Item); }

 private:
  struct Item {
    std::uint64_t hash;
    std::uint64_t bytes;
  };
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::deque<Item> queue_;
  HashSet names_;
};

}  // namespace propeller::store
