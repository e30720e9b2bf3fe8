#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace propeller::forward {

/// Names that something was learned about a while ago.
///
/// Bound:    entries_max; the one that was added first makes room. Each is forgotten after kept_for.
/// Threads:  any.
class RecentNames {
 public:
  using Time = std::chrono::steady_clock::time_point;

  RecentNames(std::size_t entries_max, std::chrono::seconds kept_for)
      : entries_max_(entries_max), kept_for_(kept_for) {}

  void add(std::string name, Time now) { add(std::move(name), now, kept_for_); }
  /// For another time than the usual one.
  void add(std::string name, Time now, std::chrono::milliseconds kept_for);
  void remove(std::string_view name);
  [[nodiscard]] bool contains(std::string_view name, Time now) const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string name;
    Time until;
  };
  using Entries = std::list<Entry>;

  const std::size_t entries_max_;
  const std::chrono::seconds kept_for_;
  mutable std::mutex mutex_;
  Entries entries_;  ///< oldest first
  std::map<std::string_view, Entries::iterator> by_name_;
};

}  // namespace propeller::forward
