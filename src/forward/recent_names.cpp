#include "forward/recent_names.hpp"

namespace propeller::forward {

void RecentNames::add(std::string name, Time now, std::chrono::milliseconds kept_for) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_name_.find(name); known != by_name_.end()) {
    known->second->until = now + kept_for;
    entries_.splice(entries_.end(), entries_, known->second);
    return;
  }
  if (entries_.size() >= entries_max_) {
    by_name_.erase(entries_.front().name);
    entries_.pop_front();
  }
  const auto place = entries_.insert(entries_.end(), {.name = std::move(name), .until = now + kept_for});
  by_name_.emplace(place->name, place);
}

void RecentNames::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) return;
  const auto place = known->second;
  by_name_.erase(known);
  entries_.erase(place);
}

bool RecentNames::contains(std::string_view name, Time now) const {
  const std::lock_guard lock(mutex_);
  const auto known = by_name_.find(name);
  return known != by_name_.end() && now < known->second->until;
}

std::size_t RecentNames::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace propeller::forward
