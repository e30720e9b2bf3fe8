#include "store/lru.hpp"

namespace propeller::store {

void Lru::insert(Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t /*uses*/) {
  nodes_.at(slot) = {.bytes = bytes, .hash = hash, .queue = 1};
  queue_.push_newest(nodes_, slot);
}

void Lru::touch(Slot slot) {
  if (nodes_.at(slot).queue == 0) return;
  queue_.remove(nodes_, slot);
  queue_.push_newest(nodes_, slot);
}

void Lru::erase(Slot slot) {
  if (nodes_.at(slot).queue == 0) return;
  queue_.remove(nodes_, slot);
  nodes_.at(slot).queue = 0;
}

std::optional<Slot> Lru::victim() {
  if (queue_.is_empty()) return std::nullopt;
  const Slot slot = queue_.oldest();
  erase(slot);
  return slot;
}

}  // namespace propeller::store
