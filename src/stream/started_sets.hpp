#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"

namespace propeller::stream {

/// One set of chunks that was begun on a channel and is not finished.
struct StartedSet {
  std::string id;  ///< of the transfer
  std::string channel;
  std::string app_name;
  std::string pinned;  ///< reference by the digest of its manifest, so that the same bytes are found again
  Digest digest;       ///< of the delivered bytes
  std::uint64_t size = 0;
  std::uint64_t chunk_size = 0;
  std::uint64_t delivered = 0;  ///< chunks the broker has acknowledged, in order from 0
  std::chrono::system_clock::time_point begun;
};

/// Remembers begun sets on disk, so that a bridge that was killed finishes them from the same digest: a partial set of
/// one version followed by a set of another is assembled into a corrupt binary (PROTOCOL 1.4, consequence 1).
///
/// One small file per set, written before its first chunk leaves. No fsync: what a process wrote survives its death.
///
/// Bound:   as many files as transfers may be active; malformed ones are deleted and skipped.
/// Errors:  io; a set that cannot be noted must not be begun.
/// Threads: one.
class StartedSets {
 public:
  explicit StartedSets(std::filesystem::path directory);
  ~StartedSets();
  StartedSets(const StartedSets&) = delete;
  StartedSets& operator=(const StartedSets&) = delete;

  /// What an earlier process left, oldest first: the caller begins those sets again under their ids, or gives their
  /// names a rest. Sets older than `age_max` are removed: clients have forgotten them.
  [[nodiscard]] Result<std::vector<StartedSet>> take_over(std::chrono::system_clock::time_point now,
                                                          std::chrono::seconds age_max);

  [[nodiscard]] Result<void> begin(const StartedSet& set);
  void delivered(const std::string& id, std::uint64_t chunks);
  void finish(const std::string& id);

 private:
  std::filesystem::path directory_;
  std::map<std::string, int> open_;  ///< descriptor by id
};

/// Names that rest on a channel for a while, because a set under them was broken off or came out corrupt.
///
/// Bound:   kNamesMax; when full the one that would end first makes room.
/// Threads: one.
class Quarantine {
 public:
  static constexpr std::chrono::seconds kRest{300};  ///< an incomplete set lives so long at a client
  static constexpr std::size_t kNamesMax = 4096;

  using Key = std::pair<std::string, std::string>;  ///< channel, app_name

  void put(Key key, std::chrono::steady_clock::time_point until, Error why);
  /// Why the name rests, and for how long still.
  struct Entry {
    std::chrono::steady_clock::time_point until;
    Error why;
  };
  [[nodiscard]] std::optional<Entry> find(const Key& key, std::chrono::steady_clock::time_point now);

 private:
  std::map<Key, Entry> entries_;
};

}  // namespace propeller::stream
