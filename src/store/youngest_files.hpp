#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "store/spool_directory.hpp"

namespace propeller::store {

/// Keeps the `count_max` youngest of the files it is given; `drop` gets the others. Never holds more than twice as
/// many.
class YoungestFiles {
 public:
  YoungestFiles(std::size_t count_max, std::function<void(const ListedFile&)> drop)
      : count_max_(count_max), drop_(std::move(drop)) {}

  void add(ListedFile file) {
    files_.push_back(std::move(file));
    if (files_.size() >= 2 * count_max_) shed();
  }
  /// Oldest first.
  std::vector<ListedFile> take() {
    shed();
    std::ranges::sort(files_, is_older);
    return std::move(files_);
  }

 private:
  static bool is_older(const ListedFile& a, const ListedFile& b) {
    return std::pair(a.modified.tv_sec, a.modified.tv_nsec) < std::pair(b.modified.tv_sec, b.modified.tv_nsec);
  }

  void shed() {
    if (files_.size() <= count_max_) return;
    const auto young = files_.end() - static_cast<std::ptrdiff_t>(count_max_);
    std::ranges::nth_element(files_, young, is_older);
    std::for_each(files_.begin(), young, drop_);
    files_.erase(files_.begin(), young);
  }

  std::size_t count_max_;
  std::function<void(const ListedFile&)> drop_;
  std::vector<ListedFile> files_;
};

}  // namespace propeller::store
