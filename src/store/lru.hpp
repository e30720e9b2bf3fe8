#pragma once

#include "store/eviction.hpp"

namespace propeller::store {

/// The least recently used goes first. Admits everything.
class Lru {
 public:
  explicit Lru(std::uint64_t /*bytes_max*/) {}

  [[nodiscard]] bool admits(std::uint64_t /*hash*/, std::uint64_t /*bytes*/) { return true; }
  void insert(Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t uses);
  void touch(Slot slot);
  void erase(Slot slot);
  [[nodiscard]] std::optional<Slot> victim();
  [[nodiscard]] std::uint8_t uses(Slot /*slot*/) const { return 0; }

 private:
  PolicyNodes nodes_;
  SlotList queue_;
};
static_assert(EvictionPolicy<Lru>);

}  // namespace propeller::store
