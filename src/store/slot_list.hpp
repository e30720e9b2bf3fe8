#pragma once

#include <cstdint>
#include <deque>

namespace propeller::store {

/// The place of a blob in the tables of the store.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xffff'ffff;

/// What an eviction policy knows of a blob.
struct PolicyNode {
  std::uint64_t bytes = 0;
  std::uint64_t hash = 0;  ///< of its name: what a ghost queue remembers
  Slot older = kNoSlot;
  Slot newer = kNoSlot;
  std::uint8_t queue = 0;  ///< the policy's own; 0: not in it
  std::uint8_t uses = 0;   ///< since it came, capped
};

/// The nodes of a policy by slot. A deque: it grows without a moment at which twice the memory is needed.
class PolicyNodes {
 public:
  PolicyNode& at(Slot slot) {
    if (slot >= nodes_.size()) nodes_.resize(slot + 1);
    return nodes_[slot];
  }
  [[nodiscard]] const PolicyNode* find(Slot slot) const { return slot < nodes_.size() ? &nodes_[slot] : nullptr; }

 private:
  std::deque<PolicyNode> nodes_;
};

/// A queue of nodes, doubly linked through them: everything is O(1).
class SlotList {
 public:
  void push_newest(PolicyNodes& nodes, Slot slot) {
    PolicyNode& node = nodes.at(slot);
    node.older = newest_;
    node.newer = kNoSlot;
    if (newest_ != kNoSlot) nodes.at(newest_).newer = slot;
    newest_ = slot;
    if (oldest_ == kNoSlot) oldest_ = slot;
    bytes_ += node.bytes;
  }
  void remove(PolicyNodes& nodes, Slot slot) {
    PolicyNode& node = nodes.at(slot);
    (node.older != kNoSlot ? nodes.at(node.older).newer : oldest_) = node.newer;
    (node.newer != kNoSlot ? nodes.at(node.newer).older : newest_) = node.older;
    node.older = node.newer = kNoSlot;
    bytes_ -= node.bytes;
  }
  [[nodiscard]] Slot oldest() const { return oldest_; }
  [[nodiscard]] bool is_empty() const { return oldest_ == kNoSlot; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  Slot oldest_ = kNoSlot;
  Slot newest_ = kNoSlot;
  std::uint64_t bytes_ = 0;
};

}  // namespace propeller::store
