#include "stream/download_places.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace propeller::stream {

DownloadPlaces::Ticket DownloadPlaces::enter(std::uint64_t size_bytes, TimePoint now) {
  entries_.emplace(next_, Entry{.size_bytes = size_bytes, .since = now});
  return next_++;
}

bool DownloadPlaces::goes_before(const Entry& a, const Entry& b, TimePoint now) const {
  const bool is_a_late = now - a.since > kPatience, is_b_late = now - b.since > kPatience;
  if (is_a_late != is_b_late) return is_a_late;
  if (is_a_late || a.size_bytes == b.size_bytes) return a.since < b.since;
  return a.size_bytes < b.size_bytes;
}

bool DownloadPlaces::try_begin(Ticket ticket, TimePoint now) {
  auto& own = entries_.at(ticket);
  ASSERT(own.state == State::waiting);
  auto& count = count_of(own);
  if (count >= (is_small(own) ? kSmallMax : kLargeMax)) return false;
  const bool is_overtaken = std::ranges::any_of(entries_, [&](const auto& each) {
    const auto& other = each.second;
    return other.state == State::waiting && is_small(other) == is_small(own) && goes_before(other, own, now);
  });
  if (is_overtaken) return false;
  own.state = State::active;
  ++count;
  return true;
}

void DownloadPlaces::pause(Ticket ticket) {
  auto& own = entries_.at(ticket);
  ASSERT(own.state == State::active);
  own.state = State::paused;
  --count_of(own);
}

void DownloadPlaces::resume(Ticket ticket) {
  auto& own = entries_.at(ticket);
  ASSERT(own.state == State::paused);
  own.state = State::active;
  ++count_of(own);
}

void DownloadPlaces::leave(Ticket ticket) {
  const auto own = entries_.find(ticket);
  ASSERT(own != entries_.end());
  if (own->second.state == State::active) --count_of(own->second);
  entries_.erase(own);
}

}  // namespace propeller::stream
