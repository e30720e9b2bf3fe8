#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "store/blob_digest.hpp"
#include "store/slot_list.hpp"

namespace propeller::store {

/// What is in memory of each complete blob.
struct BlobRecord {
  std::array<std::uint8_t, 32> name{};  ///< of a SHA-512 digest the first half
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  ///< the file's ctime when it was last known to be right; 0: in doubt
  std::uint64_t used = 0;       ///< the store's count of uses when it was last used
  std::uint32_t used_at = 0;    ///< Unix seconds; 0: not since that is noted
  DigestAlgorithm algorithm = DigestAlgorithm::sha256;
  bool is_live = false;
  bool is_pinned = false;
  bool is_dirty = false;      ///< `used` is newer than on disk
  bool is_confirmed = false;  ///< its file was seen
};

/// Blobs by digest: records in slots, found through an open-addressed table of slot numbers. About 75 bytes a blob.
///
/// Bound: its user's. Threads: one at a time.
class BlobTable {
 public:
  [[nodiscard]] std::optional<Slot> find(const BlobDigest& digest) const;
  /// The digest must not be there.
  Slot insert(const BlobDigest& digest);
  void erase(Slot slot);

  [[nodiscard]] BlobRecord& at(Slot slot) { return records_[slot]; }
  [[nodiscard]] const BlobRecord& at(Slot slot) const { return records_[slot]; }
  [[nodiscard]] BlobDigest digest_of(Slot slot) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Slots are below this; some are not live.
  [[nodiscard]] Slot slots_end() const { return static_cast<Slot>(records_.size()); }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  using Half = std::array<std::uint8_t, 32>;
  [[nodiscard]] bool is_at(Slot slot, const BlobDigest& digest) const;
  [[nodiscard]] std::size_t home_of(std::uint64_t prefix) const { return prefix >> shift_; }
  [[nodiscard]] std::uint64_t prefix_of(Slot slot) const;
  void place(Slot slot);
  void grow();

  std::deque<BlobRecord> records_;
  std::unordered_map<Slot, Half> second_halves_;  // of SHA-512 digests, which are few
  std::vector<Slot> free_;
  std::vector<Slot> cells_;
  unsigned shift_ = 64;
  std::size_t size_ = 0;
};

}  // namespace propeller::store
