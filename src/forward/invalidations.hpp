#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

namespace propeller::forward {

/// Which URLs have been written to while downloads of theirs may have been under way: what was asked for before is
/// neither joined nor kept after.
///
/// Bound:    kUrlsMax; of what was dropped every download that began before counts as overtaken.
/// Threads:  any.
/// Source:   RFC 9111 section 4.4
class Invalidations {
 public:
  static constexpr std::size_t kUrlsMax = 4096;

  /// Grows with each write to the URL; 0 for what was never written to.
  [[nodiscard]] std::uint64_t generation(const std::string& url) const;
  void add(const std::string& url);

 private:
  struct Write {
    std::string url;
    std::uint64_t generation = 0;
  };
  std::atomic<std::uint64_t> last_ = 0;  // of all URLs
  mutable std::mutex mutex_;
  std::uint64_t dropped_ = 0;  // the latest of those that made room
  std::deque<Write> writes_;   // oldest first
  std::unordered_map<std::string, std::uint64_t> generations_;
};

}  // namespace propeller::forward
