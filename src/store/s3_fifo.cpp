#include "store/s3_fifo.hpp"

#include <algorithm>

namespace propeller::store {

bool S3Fifo::admits(std::uint64_t hash, std::uint64_t bytes) {
  if (bytes <= small_bytes_max_ || ghosts_.contains(hash)) return true;
  ghosts_.add(hash, bytes);
  return false;
}

void S3Fifo::insert(Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t uses) {
  const bool is_known = uses > 0 || ghosts_.contains(hash);
  ghosts_.remove(hash);
  nodes_.at(slot) = {.bytes = bytes, .hash = hash, .queue = is_known ? main : small, .uses = std::min(uses, kUsesMax)};
  (is_known ? main_ : small_).push_newest(nodes_, slot);
}

void S3Fifo::touch(Slot slot) {
  PolicyNode& node = nodes_.at(slot);
  if (node.queue != none && node.uses < kUsesMax) ++node.uses;
}

void S3Fifo::erase(Slot slot) {
  PolicyNode& node = nodes_.at(slot);
  if (node.queue == none) return;
  (node.queue == small ? small_ : main_).remove(nodes_, slot);
  node.queue = none;
}

std::optional<Slot> S3Fifo::victim() {
  if (small_.bytes() > small_bytes_max_ || main_.is_empty()) {
    if (const auto slot = victim_of_small()) return slot;
  }
  if (const auto slot = victim_of_main()) return slot;
  return victim_of_small();
}

std::optional<Slot> S3Fifo::victim_of_small() {
  while (!small_.is_empty()) {
    const Slot slot = small_.oldest();
    PolicyNode& node = nodes_.at(slot);
    small_.remove(nodes_, slot);
    if (node.uses > 1) {
      node.queue = main;
      node.uses = 0;
      main_.push_newest(nodes_, slot);
      continue;
    }
    node.queue = none;
    ghosts_.add(node.hash, node.bytes);
    return slot;
  }
  return std::nullopt;
}

std::optional<Slot> S3Fifo::victim_of_main() {
  // Ends: every round takes one use from somebody.
  while (!main_.is_empty()) {
    const Slot slot = main_.oldest();
    PolicyNode& node = nodes_.at(slot);
    main_.remove(nodes_, slot);
    if (node.uses > 0) {
      --node.uses;
      main_.push_newest(nodes_, slot);
      continue;
    }
    node.queue = none;
    return slot;
  }
  return std::nullopt;
}

std::uint8_t S3Fifo::uses(Slot slot) const {
  const PolicyNode* node = nodes_.find(slot);
  if (node == nullptr) return 0;
  // Being in the main queue is itself worth remembering.
  return node->queue == main ? std::max<std::uint8_t>(node->uses, 1) : node->uses;
}

}  // namespace propeller::store
