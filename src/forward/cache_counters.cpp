#include "forward/cache_counters.hpp"

namespace propeller::forward {

CacheStats CacheCounters::stats(const store::StoreStatus& status) const {
  return {.hits = hits_,
          .misses = misses_,
          .stores = stores_,
          .evictions = status.evictions - evictions_before_,
          .errors = errors_,
          .current_size = status.bytes};
}

void CacheCounters::reset(const store::StoreStatus& status) {
  hits_ = misses_ = stores_ = errors_ = 0;
  evictions_before_ = status.evictions;
}

}  // namespace propeller::forward
