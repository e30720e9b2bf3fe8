#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include "store/slot_list.hpp"

namespace propeller::store {

/// Decides which blob goes when room is needed: pure, no I/O, no clock, no locks.
///
/// admits(hash, bytes)             is it worth evicting others for? Asked before the blob comes; a policy may remember.
/// insert(slot, bytes, hash, uses) it came; `uses` more than 0 when it was known before a restart
/// touch(slot)                     it was used
/// erase(slot)                     it left for another reason, or was pinned
/// victim()                        who goes next: it has left the policy when this returns
/// uses(slot)                      what to give to insert() after a restart
template <class P>
concept EvictionPolicy =
    requires(P policy, const P& constant, Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t uses) {
      { policy.admits(hash, bytes) } -> std::same_as<bool>;
      policy.insert(slot, bytes, hash, uses);
      policy.touch(slot);
      policy.erase(slot);
      { policy.victim() } -> std::same_as<std::optional<Slot>>;
      { constant.uses(slot) } -> std::same_as<std::uint8_t>;
    };

}  // namespace propeller::store
