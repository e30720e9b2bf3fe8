#include "net/session_cache.hpp"

namespace propeller::net {

void SessionCache::put(std::string_view key, SessionPtr session) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    if (entries_.size() >= kKeysMax) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.emplace_front().key = key;
    by_key_.emplace(entries_.front().key, entries_.begin());
  }
  auto& sessions = entries_.front().sessions;
  if (sessions.size() >= kSessionsPerKeyMax) sessions.erase(sessions.begin());
  sessions.push_back(std::move(session));
}

SessionPtr SessionCache::take(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto entry = found->second;
  auto session = std::move(entry->sessions.back());
  entry->sessions.pop_back();
  if (entry->sessions.empty()) {
    by_key_.erase(found);
    entries_.erase(entry);
  } else {
    entries_.splice(entries_.begin(), entries_, entry);
  }
  return session;
}

std::size_t SessionCache::keys() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace propeller::net
