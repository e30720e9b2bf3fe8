#pragma once

#include <chrono>
#include <cstdint>
#include <map>

namespace propeller::stream {

/// Who of those that want to download may begin: a value, no I/O.
///
/// Order:    the smallest first; but nobody for ever: who has waited kPatience goes before all, the oldest first.
/// Bound:    kLargeMax large and kSmallMax small ones at once. A small one, of one chunk at most, never waits for a
///           large one: its size is known from the manifest.
/// Pressure: one that the full channel pauses gives its place up until it goes on; then it is over the limit, by as
///           many as are being sent.
/// Threads:  one.
class DownloadPlaces {
 public:
  static constexpr std::uint32_t kLargeMax = 8;
  static constexpr std::uint32_t kSmallMax = 32;
  static constexpr std::chrono::seconds kPatience{20};

  using Ticket = std::uint64_t;
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit DownloadPlaces(std::uint64_t small_bytes_max) : small_bytes_max_(small_bytes_max) {}

  /// Joins those who wait. The ticket is good until leave().
  [[nodiscard]] Ticket enter(std::uint64_t size_bytes, TimePoint now);
  /// True once it has a place; ask again after somebody left or paused.
  [[nodiscard]] bool try_begin(Ticket ticket, TimePoint now);
  void pause(Ticket ticket);
  void resume(Ticket ticket);
  void leave(Ticket ticket);

  [[nodiscard]] std::uint32_t active(bool is_small) const { return is_small ? small_ : large_; }

 private:
  enum class State { waiting, active, paused };
  struct Entry {
    std::uint64_t size_bytes = 0;
    TimePoint since{};
    State state = State::waiting;
  };
  [[nodiscard]] bool is_small(const Entry& entry) const { return entry.size_bytes <= small_bytes_max_; }
  [[nodiscard]] bool goes_before(const Entry& a, const Entry& b, TimePoint now) const;
  [[nodiscard]] std::uint32_t& count_of(const Entry& entry) { return is_small(entry) ? small_ : large_; }

  const std::uint64_t small_bytes_max_;
  std::map<Ticket, Entry> entries_;
  Ticket next_ = 1;
  std::uint32_t small_ = 0, large_ = 0;  ///< active ones
};

}  // namespace propeller::stream
