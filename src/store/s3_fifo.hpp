#pragma once

#include "store/eviction.hpp"
#include "store/ghost_queue.hpp"

namespace propeller::store {

/// S3-FIFO by bytes: newcomers wait in a small queue (a tenth of the bytes); who is used there moves to the main queue,
/// the others go soon and leave their name in a ghost queue; who comes again while its name is there joins the main
/// queue at once. In the main queue who was used goes round once more for each use.
///
/// Admission: what is larger than the small queue would push out every newcomer, so it has to come twice.
/// Source: Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.
class S3Fifo {
 public:
  static constexpr std::uint64_t kSmallShare = 10;  ///< the small queue has one part in ten
  static constexpr std::uint8_t kUsesMax = 3;

  explicit S3Fifo(std::uint64_t bytes_max) : small_bytes_max_(bytes_max / kSmallShare), ghosts_(bytes_max) {}

  [[nodiscard]] bool admits(std::uint64_t hash, std::uint64_t bytes);
  void insert(Slot slot, std::uint64_t bytes, std::uint64_t hash, std::uint8_t uses);
  void touch(Slot slot);
  void erase(Slot slot);
  [[nodiscard]] std::optional<Slot> victim();
  [[nodiscard]] std::uint8_t uses(Slot slot) const;

 private:
  enum Queue : std::uint8_t { none, small, main };
  [[nodiscard]] std::optional<Slot> victim_of_small();
  [[nodiscard]] std::optional<Slot> victim_of_main();

  std::uint64_t small_bytes_max_;
  PolicyNodes nodes_;
  SlotList small_, main_;
  GhostQueue ghosts_;
};
static_assert(EvictionPolicy<S3Fifo>);

}  // namespace propeller::store
