#include "store/hot_blobs.hpp"

#include <utility>

namespace propeller::store {

std::shared_ptr<const OpenBlob> HotBlobs::find(const BlobDigest& digest) {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(digest);
  if (found == places_.end()) return nullptr;
  order_.splice(order_.end(), order_, found->second);
  return *found->second;
}

void HotBlobs::put(std::shared_ptr<const OpenBlob> blob) {
  std::shared_ptr<const OpenBlob> dropped;  // closed after the lock
  const std::scoped_lock lock(mutex_);
  if (const auto found = places_.find(blob->digest()); found != places_.end()) {
    dropped = std::exchange(*found->second, std::move(blob));
    return;
  }
  if (order_.size() >= kBlobsMax) {
    dropped = std::move(order_.front());
    places_.erase(dropped->digest());
    order_.pop_front();
  }
  const BlobDigest digest = blob->digest();
  places_.emplace(digest, order_.insert(order_.end(), std::move(blob)));
}

void HotBlobs::erase(const BlobDigest& digest) {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(digest);
  if (found == places_.end()) return;
  order_.erase(found->second);
  places_.erase(found);
}

}  // namespace propeller::store
