#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "mqtt/ranges.hpp"

namespace propeller::stream {

/// Which chunks of an image are still to be sent, and in which order. A pure value: no clock, no I/O.
///
/// Order:  `indexed` clients keep the first copy of an index, so a late joiner gets what it missed by wrapping around
///         (k…n-1, then 0…k-1). `ordered` clients append what arrives, so a late joiner gets a second complete pass.
/// Bound:  a handful of ranges, whatever the size of the image.
/// Source: PROTOCOL.md 1.4, consequence 3
class DeliveryPlan {
 public:
  enum class Kind { indexed, ordered };

  DeliveryPlan() = default;
  /// The whole image, from `first` on; `indexed` wraps around to 0…first-1, `ordered` ends with the last chunk.
  DeliveryPlan(Kind kind, std::uint64_t total, std::uint64_t first = 0);

  /// The next index, taken out of the plan.
  [[nodiscard]] std::optional<std::uint64_t> next();
  [[nodiscard]] std::optional<std::uint64_t> peek() const;

  /// One more client wants the whole image.
  void join();

  /// Chunks that were taken and did not arrive, in the order in which they were taken: they go first.
  void give_back(std::span<const std::uint64_t> indices);

  /// Just these, instead of what was planned (a device that says what it misses).
  void only(const mqtt::Ranges& wanted);

  [[nodiscard]] bool empty() const { return todo_.empty(); }
  /// How many chunks are still to be taken.
  [[nodiscard]] std::uint64_t remaining() const;
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  using Range = mqtt::Ranges::Range;
  void append(std::uint64_t first, std::uint64_t last);

  Kind kind_ = Kind::indexed;
  std::uint64_t total_ = 0;
  std::deque<Range> todo_;
};

}  // namespace propeller::stream
