#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "store/open_blob.hpp"

namespace propeller::store {

/// The small blobs used last, open and with their bytes in memory: a hit on one opens and reads no file.
///
/// Order:    least recently used go first.
/// Bound:    kBlobsMax blobs and descriptors, of kBlobBytesMax each: 8 MiB.
/// Threads:  any; the mutex is held for one look-up.
class HotBlobs {
 public:
  static constexpr std::size_t kBlobsMax = 512;
  static constexpr std::uint64_t kBlobBytesMax = 16 * 1024;

  [[nodiscard]] std::shared_ptr<const OpenBlob> find(const BlobDigest& digest);
  /// Takes the place of another of that digest.
  void put(std::shared_ptr<const OpenBlob> blob);
  void erase(const BlobDigest& digest);

 private:
  using Order = std::list<std::shared_ptr<const OpenBlob>>;
  std::mutex mutex_;
  Order order_;  // least recently used first
  std::unordered_map<BlobDigest, Order::iterator> places_;
};

}  // namespace propeller::store
