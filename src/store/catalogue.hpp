#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "store/blob_table.hpp"
#include "store/lru.hpp"
#include "store/s3_fifo.hpp"
#include "store/sieve.hpp"

namespace propeller::store {

enum class PolicyKind : std::uint8_t;

struct BlobFacts {
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  ///< 0: in doubt
  bool is_pinned = false;
};

/// A blob's line in the index.
struct BlobRow {
  BlobDigest digest;
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;
  std::uint64_t used = 0;
  std::uint8_t uses = 0;
  bool is_pinned = false;
  std::uint32_t used_at = 0;  ///< Unix seconds; 0: not since that is noted
};

/// Which complete blobs there are, how much room they and the drafts take, and who goes when room is needed.
///
/// Bound:    `bytes_max` over blobs and reservations; `blobs_max` blobs; half of `bytes_max` and kPinsMax are pinned.
/// Threads:  any. One mutex, held for a table look-up and a few list operations; no disk, no allocation on a hit.
class Catalogue {
 public:
  static constexpr Slot kDirtyScan = 1024;
  static constexpr std::size_t kPinsMax = 10'000;
  static constexpr std::uint64_t kPinnedPart = 2;  ///< the pinned may take this part of `bytes_max`

  struct Limits {
    std::uint64_t bytes_max = 0;
    std::size_t blobs_max = 0;
  };
  Catalogue(PolicyKind policy, Limits limits);

  [[nodiscard]] bool contains(const BlobDigest& digest) const;
  /// Counts as a use, at `now` in Unix seconds.
  [[nodiscard]] std::optional<BlobFacts> use(const BlobDigest& digest, std::uint32_t now = 0);

  /// Room for `bytes` more, those that had to go for it into `victims`. False, with nobody gone, when it is not to be
  /// had; `is_newcomer` asks the policy whether `name` is worth it.
  struct Claim {
    std::uint64_t bytes = 0;
    std::uint64_t name = 0;
    bool is_newcomer = true;
  };
  [[nodiscard]] bool reserve(const Claim& claim, std::vector<BlobDigest>& victims);
  void release(std::uint64_t bytes);
  /// Somebody has to go although the limit is kept: the disk is full. The bytes that were promised by it.
  std::uint64_t evict(std::uint64_t bytes, std::vector<BlobDigest>& victims);

  /// A blob is complete; `reserved` bytes become its own. A blob that was there is replaced.
  void add(const BlobRow& row, std::uint64_t reserved, std::vector<BlobDigest>& victims);
  /// At start: a row of the index, not evicting for it; then what is on disk; then who has no file after all.
  void load(const BlobRow& row);
  enum class Confirmed : std::uint8_t { unknown, good, wrong_size };
  /// A file whose ctime is not the row's becomes one in doubt.
  [[nodiscard]] Confirmed confirm(const BlobDigest& digest, std::uint64_t size, std::int64_t changed_ns);
  [[nodiscard]] std::vector<BlobDigest> unconfirmed() const;

  /// False when it is not there (any more).
  bool remove(const BlobDigest& digest);
  bool set_changed(const BlobDigest& digest, std::int64_t changed_ns);
  enum class Pinned : std::uint8_t { done, not_there, too_much };
  Pinned pin(const BlobDigest& digest, bool is_pinned);
  [[nodiscard]] std::uint64_t pinned_bytes_max() const { return limits_.bytes_max / kPinnedPart; }
  [[nodiscard]] std::vector<BlobRow> pinned() const;

  /// Blobs used since they were last taken, from the next few slots; nullopt at the end of a round over all of them.
  [[nodiscard]] std::optional<std::vector<BlobRow>> take_dirty();
  [[nodiscard]] std::vector<BlobDigest> unpinned() const;
  /// Those of the next few slots, and where to go on; the end when that is no more than `from`.
  struct Page {
    std::vector<BlobDigest> digests;
    Slot next = 0;
  };
  [[nodiscard]] Page page(Slot from) const;
  [[nodiscard]] std::optional<BlobRow> row(const BlobDigest& digest) const;
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::uint64_t unpinned_bytes() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  using Policy = std::variant<S3Fifo, Sieve, Lru>;
  static Policy make_policy(PolicyKind kind, std::uint64_t bytes_max);
  [[nodiscard]] bool evict_one(std::vector<BlobDigest>& victims);
  [[nodiscard]] BlobRow row_of(Slot slot) const;
  void put(const BlobRow& row, bool is_confirmed);
  void forget(Slot slot);

  Limits limits_;
  mutable std::mutex mutex_;
  BlobTable table_;
  Policy policy_;
  std::uint64_t blob_bytes_ = 0;
  std::uint64_t pinned_bytes_ = 0;
  std::size_t pins_ = 0;
  std::uint64_t reserved_bytes_ = 0;
  std::uint64_t use_count_ = 0;
  Slot dirty_from_ = 0;
};

}  // namespace propeller::store
