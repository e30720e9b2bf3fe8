#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/spool_directory.hpp"

namespace propeller::store {

/// What a spool remembers beside its images: a small file for each note, under a name that says all of the question.
/// Only a shortcut: what cannot be written is found out again.
///
/// Bound:    `count_max` notes of kBytesMax; those used longest ago go first, those written longest ago after a start.
/// Threads:  one at a time. Lifetime: `directory` outlives it.
class SpoolNotes {
 public:
  static constexpr std::size_t kBytesMax = 1280;

  SpoolNotes(const SpoolDirectory& directory, std::size_t count_max) : directory_(directory), count_max_(count_max) {}

  /// Once, when the directory is open.
  void load();
  void write(std::string name, std::string_view text);
  [[nodiscard]] std::optional<std::string> read(const std::string& name);

 private:
  void add(std::string name);
  [[nodiscard]] bool use(std::string_view name);  ///< false: there is none

  const SpoolDirectory& directory_;
  const std::size_t count_max_;
  std::list<std::string> order_;  ///< least recently used first
  std::unordered_map<std::string_view, std::list<std::string>::iterator> places_;
};

}  // namespace propeller::store
