#pragma once

#include <atomic>
#include <cstdint>

#include "forward/host_figures.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// What the cache has done since the start, or since it was cleared. Only requests that the matcher takes count.
struct CacheStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t stores = 0;
  std::uint64_t evictions = 0;
  std::uint64_t errors = 0;        ///< downloads that broke for good, or brought something else than their digest
  std::uint64_t current_size = 0;  ///< bytes in the store

  friend bool operator==(const CacheStats&, const CacheStats&) = default;
};

/// Counts for CacheStats. Threads: any.
class CacheCounters {
 public:
  void count_hit() { ++hits_; }
  void count_miss() { ++misses_; }
  void count_store() { ++stores_; }
  void count_error() { ++errors_; }

  [[nodiscard]] CacheStats stats(const store::StoreStatus& status) const;
  [[nodiscard]] FiguresByHost& hosts() { return hosts_; }
  /// Begins again at 0, but for those by host.
  void reset(const store::StoreStatus& status);

 private:
  std::atomic<std::uint64_t> hits_ = 0, misses_ = 0, stores_ = 0, errors_ = 0;
  std::atomic<std::uint64_t> evictions_before_ = 0;  ///< the store's own count goes on
  FiguresByHost hosts_;
};

}  // namespace propeller::forward
