#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "store/blob_check.hpp"
#include "store/slot_list.hpp"

namespace propeller::store {

class Depot;

/// How far a check has come.
struct CheckProgress {
  bool is_done = false;
  std::uint64_t blobs_total = 0;  ///< when it began
  std::uint64_t blobs = 0;        ///< read again
  std::uint64_t bytes = 0;
  std::uint64_t damaged = 0;             ///< dropped
  std::vector<BlobDigest> damaged_last;  ///< in the last step
};

/// Every blob is read again and dropped when it is not what its name says. Does not count as a use.
///
/// Bound:    a step reads about kStepBytesMax and kStepBlobsMax blobs.
/// Threads:  one step at a time, where the disk may be waited for. Lifetime: the depot outlives it.
class StoreCheck {
 public:
  static constexpr std::uint64_t kStepBytesMax = 32 * base::kMiB;
  static constexpr std::size_t kStepBlobsMax = 256;

  explicit StoreCheck(Depot& depot);
  [[nodiscard]] CheckProgress step();

 private:
  [[nodiscard]] bool take_next();

  Depot& depot_;
  CheckProgress progress_;
  Slot next_ = 0;
  std::vector<BlobDigest> waiting_;
  std::optional<BlobCheck> current_;
};

/// How far a clean-up has come.
struct SweepProgress {
  bool is_done = false;
  std::uint64_t evicted = 0;  ///< blobs that went for the disk's free space
  std::uint64_t adopted = 0;  ///< files that the index did not know, and that are right
  std::uint64_t removed = 0;  ///< and those that are not, or for which there is no room
  std::uint64_t entries = 0;  ///< whose content is gone
  std::uint64_t unnamed = 0;  ///< blobs that no entry named
  std::uint64_t bytes = 0;    ///< that were freed
};

/// Brings the store under its limits, and clears away what nothing knows: files that the index has no line for (kept
/// when they are what their name says), entries whose content is gone, and, with `takes_unnamed`, blobs that no entry
/// names and nobody has pinned.
///
/// Bound:    a step reads about StoreCheck::kStepBytesMax of one file, or drops kStepBlobsMax blobs; it knows
///           kStraysMax files at a time.
/// Threads:  one step at a time, where the disk and SQLite may be waited for. Lifetime: the depot outlives it.
class StoreSweep {
 public:
  static constexpr std::size_t kStraysMax = 1024;

  StoreSweep(Depot& depot, bool takes_unnamed) : depot_(depot), takes_unnamed_(takes_unnamed) {}
  /// Errors: io, of the index.
  [[nodiscard]] Result<SweepProgress> step();

 private:
  enum class Phase { limits, strays, entries, unnamed, done };
  void keep_limits();
  void find_strays();
  void settle_some();
  [[nodiscard]] Result<void> drop_orphans();
  [[nodiscard]] Result<void> drop_unnamed();

  Depot& depot_;
  const bool takes_unnamed_;
  Phase phase_ = Phase::limits;
  SweepProgress progress_;
  std::vector<BlobDigest> strays_;
  bool may_be_more_ = false;  ///< strays, behind those
  std::optional<BlobCheck> current_;
  std::optional<BlobDigest> after_;
};

}  // namespace propeller::store
