#include "store/ghost_queue.hpp"

#include <algorithm>

namespace propeller::store {

void GhostQueue::add(std::uint64_t hash, std::uint64_t bytes) {
  if (!names_.insert(hash)) return;
  // A blob larger than the whole queue is remembered too: it only pushes everybody else out.
  bytes = std::min(bytes, bytes_max_);
  queue_.push_back({hash, bytes});
  bytes_ += bytes;
  while (bytes_ > bytes_max_ || queue_.size() > kNamesMax) {
    bytes_ -= queue_.front().bytes;
    names_.erase(queue_.front().hash);
    queue_.pop_front();
  }
}

}  // namespace propeller::store
