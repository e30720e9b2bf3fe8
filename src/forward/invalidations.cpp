#include "forward/invalidations.hpp"

namespace propeller::forward {

std::uint64_t Invalidations::generation(const std::string& url) const {
  if (last_.load(std::memory_order_acquire) == 0) return 0;
  const std::scoped_lock lock(mutex_);
  const auto found = generations_.find(url);
  return found != generations_.end() ? found->second : dropped_;
}

void Invalidations::add(const std::string& url) {
  const std::scoped_lock lock(mutex_);
  const auto generation = last_.load(std::memory_order_relaxed) + 1;
  generations_[url] = generation;
  writes_.push_back({url, generation});
  last_.store(generation, std::memory_order_release);
  if (writes_.size() <= kUrlsMax) return;
  const auto& oldest = writes_.front();
  dropped_ = oldest.generation;
  // It may have been written to again since.
  if (generations_[oldest.url] == oldest.generation) generations_.erase(oldest.url);
  writes_.pop_front();
}

}  // namespace propeller::forward
