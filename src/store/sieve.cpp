#include "store/sieve.hpp"

namespace propeller::store {

void Sieve::insert(Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t uses) {
  nodes_.at(slot) = {.bytes = bytes, .hash = hash, .queue = 1, .uses = static_cast<std::uint8_t>(uses > 0 ? 1 : 0)};
  queue_.push_newest(nodes_, slot);
}

void Sieve::touch(Slot slot) {
  PolicyNode& node = nodes_.at(slot);
  if (node.queue != 0) node.uses = 1;
}

void Sieve::erase(Slot slot) {
  PolicyNode& node = nodes_.at(slot);
  if (node.queue == 0) return;
  if (hand_ == slot) hand_ = node.newer;
  queue_.remove(nodes_, slot);
  node.queue = 0;
}

std::optional<Slot> Sieve::victim() {
  if (queue_.is_empty()) return std::nullopt;
  // Ends: after one round nobody is marked any more.
  for (;;) {
    if (hand_ == kNoSlot) hand_ = queue_.oldest();
    PolicyNode& node = nodes_.at(hand_);
    if (node.uses == 0) break;
    node.uses = 0;
    hand_ = node.newer;
  }
  const Slot slot = hand_;
  erase(slot);
  return slot;
}

std::uint8_t Sieve::uses(Slot slot) const {
  const PolicyNode* node = nodes_.find(slot);
  return node != nullptr ? node->uses : 0;
}

}  // namespace propeller::store
