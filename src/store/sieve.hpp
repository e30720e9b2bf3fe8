#pragma once

#include "store/eviction.hpp"

namespace propeller::store {

/// SIEVE: a queue in order of arrival and a hand that walks from the oldest to the newest; who was used since the hand
/// last passed is spared once and keeps its place. Admits everything.
///
/// Source: Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024.
class Sieve {
 public:
  explicit Sieve(std::uint64_t /*bytes_max*/) {}

  [[nodiscard]] bool admits(std::uint64_t /*hash*/, std::uint64_t /*bytes*/) { return true; }
  void insert(Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t uses);
  void touch(Slot slot);
  void erase(Slot slot);
  [[nodiscard]] std::optional<Slot> victim();
  [[nodiscard]] std::uint8_t uses(Slot slot) const;

 private:
  PolicyNodes nodes_;
  SlotList queue_;
  Slot hand_ = kNoSlot;
};
static_assert(EvictionPolicy<Sieve>);

}  // namespace propeller::store
