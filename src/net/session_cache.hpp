#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/openssl.hpp"

namespace propeller::net {

/// TLS sessions to resume, by a key that names the server and everything its certificate was verified by.
///
/// Order:    the newest session of a key first; the key used longest ago is forgotten first.
/// Bound:    kKeysMax keys, kSessionsPerKeyMax sessions of one.
/// Threads:  any.
class SessionCache {
 public:
  static constexpr std::size_t kKeysMax = 512;
  static constexpr std::size_t kSessionsPerKeyMax = 4;

  void put(std::string_view key, SessionPtr session);
  /// Null when there is none. It is taken out: a TLS 1.3 ticket is for one use, a TLS 1.2 session is put back by who
  /// used it.
  [[nodiscard]] SessionPtr take(std::string_view key);
  [[nodiscard]] std::size_t keys() const;

 private:
  struct Entry {
    std::string key;
    std::vector<SessionPtr> sessions;
  };
  using Entries = std::list<Entry>;

  mutable std::mutex mutex_;
  Entries entries_;                                                 ///< the one used last first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  ///< the keys are those of the entries
};

}  // namespace propeller::net
