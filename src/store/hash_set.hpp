#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace propeller::store {

/// A set of 64-bit hashes in one array: 11 to 23 bytes an element.
///
/// Open addressing with linear probing; an erased element's followers move up, so there are no tombstones.
/// Bound: its user's. Threads: one at a time.
class HashSet {
 public:
  [[nodiscard]] bool contains(std::uint64_t hash) const { return !cells_.empty() && cells_[place_of(hash)] != kEmpty; }
  /// False when it was there.
  bool insert(std::uint64_t hash);
  /// False when it was not there.
  bool erase(std::uint64_t hash);
  void clear();
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const { return cells_.capacity() * sizeof(std::uint64_t); }

 private:
  static constexpr std::uint64_t kEmpty = 0;
  static std::uint64_t cell_of(std::uint64_t hash) { return hash == kEmpty ? 1 : hash; }
  // Fibonacci hashing: low bits of a hash that was made elsewhere may be poor.
  [[nodiscard]] std::size_t home_of(std::uint64_t cell) const { return (cell * 0x9e3779b97f4a7c15U) >> shift_; }
  [[nodiscard]] std::size_t place_of(std::uint64_t hash) const;
  void grow();

  std::vector<std::uint64_t> cells_;
  unsigned shift_ = 64;
  std::size_t size_ = 0;
};

}  // namespace propeller::store
