#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "store/blob_check.hpp"
#include "store/catalogue.hpp"
#include "store/hot_blobs.hpp"
#include "store/layout_directory.hpp"
#include "store/open_blob.hpp"
#include "store/probe.hpp"
#include "store/store_index.hpp"
#include "store/store_options.hpp"

namespace propeller::store {

class Depot;

/// A file on its way to become a blob, with the room that is reserved for it; thrown away unless published.
/// Threads: one at a time; every call may wait for the disk.
class Draft {
 public:
  Draft(Depot& depot, DraftName name, std::uint64_t reserved);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  [[nodiscard]] int fd() const { return name_.file.get(); }
  /// Appends at `offset`; false when the bytes cannot be kept, for whatever reason (counted and logged by the depot).
  [[nodiscard]] bool write(std::string_view bytes, std::uint64_t offset);
  /// Gives it its name. Null when the disk refuses.
  [[nodiscard]] std::shared_ptr<const OpenBlob> publish(const BlobDigest& digest, std::uint64_t size);

 private:
  [[nodiscard]] bool make_room(std::uint64_t end);

  Depot& depot_;
  DraftName name_;
  std::uint64_t reserved_;
  std::uint64_t floor_checked_ = 0;  ///< bytes that were written when free space was last looked at
  bool is_published_ = false;
};

/// What is on disk and what is known of it, kept together: directory, catalogue and index change through here.
///
/// Order:    a blob enters the catalogue after its file has its name, and leaves it before its file goes.
/// Errors:   a disk that is full, read-only or broken switches storing off; the keeper tries again.
/// Threads:  any, where the disk may be waited for; is_storing(), contains() and use() anywhere.
class Depot {
 public:
  /// Looked at again after so many bytes of a draft.
  static constexpr std::uint64_t kFloorCheckBytes = 8 * base::kMiB;

  Depot(StoreOptions options, Probe& probe);

  /// Waits for the drafts, which end on the blocking pool.
  ~Depot();
  Depot(const Depot&) = delete;
  Depot& operator=(const Depot&) = delete;

  [[nodiscard]] Result<void> open();
  void close();
  [[nodiscard]] bool is_open() const { return is_open_; }

  /// Null when the blob is not to be kept. `length` absent: room is taken as it comes.
  [[nodiscard]] std::unique_ptr<Draft> create_draft(const std::optional<BlobDigest>& digest,
                                                    std::optional<std::uint64_t> length);

  /// A blob in the catalogue: what a core may do, which reads small ones only.
  struct Opening {
    std::shared_ptr<const OpenBlob> blob;      ///< right
    std::shared_ptr<const OpenBlob> doubtful;  ///< to be hashed first: settle()
  };
  [[nodiscard]] Opening open_blob(const BlobDigest& digest);
  /// Reads the whole file; drops the blob when its digest is another. `stop` leaves it as it is.
  [[nodiscard]] bool settle(const OpenBlob& blob, const std::stop_token& stop = {});
  void remove(const BlobDigest& digest);
  /// Errors: not_found; limit_exceeded, when more would be pinned than the catalogue allows.
  [[nodiscard]] Result<void> pin(const BlobDigest& digest, bool is_pinned);

  /// To read a blob again, which is no use of it; nothing when it is not there (any more).
  [[nodiscard]] std::optional<BlobCheck> begin_check(const BlobDigest& digest);
  enum class Ended : std::uint8_t { kept, dropped };
  /// A damaged blob is dropped.
  Ended end_check(const BlobCheck& check, BlobCheck::State state);

  struct Freed {
    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;
  };
  /// Evicts until the disk has its free space again.
  Freed keep_limits();
  /// Files that the catalogue does not know, at most `count`.
  [[nodiscard]] std::vector<BlobDigest> find_strays(std::size_t count) const;
  [[nodiscard]] std::optional<BlobCheck> open_stray(const BlobDigest& digest) const;
  /// True when it was taken in: it is right and there is room, or somebody else has done it. Else its file is gone.
  bool settle_stray(const BlobCheck& check, BlobCheck::State state);
  /// Entries whose blob has no line in the index; how many there were. Waits for the index.
  [[nodiscard]] Result<std::uint64_t> drop_orphans();

  /// Hears of each entry that goes because its blob made room for others; on the index's thread, under a lock. Empty:
  /// nobody does any more.
  using OnEvicted = std::function<void(std::string_view key)>;
  void watch_evictions(OnEvicted on_evicted);

  [[nodiscard]] bool is_storing() const { return is_storing_.load(std::memory_order_relaxed); }
  /// Tries the disk when storing is off. A lack of room is said in the log once between two calls.
  void try_storing_again();
  /// Writes what was used since the last time to the index.
  void flush_recency();
  /// Files that the index does not know, found at start: hashed one after the other, kept when they are right.
  void settle_strays(const std::stop_token& stop);

  [[nodiscard]] Catalogue& catalogue() { return catalogue_; }
  [[nodiscard]] const Catalogue& catalogue() const { return catalogue_; }
  [[nodiscard]] StoreIndex& index() { return index_; }
  [[nodiscard]] const StoreOptions& options() const { return options_; }
  [[nodiscard]] Probe& probe() { return probe_; }

 private:
  friend class Draft;
  [[nodiscard]] Result<void> load();
  /// Removes the file, and what is in memory of it.
  void remove_file(const BlobDigest& digest);
  void drop_damaged(const BlobDigest& digest);
  void remove_files(const std::vector<BlobDigest>& victims);
  [[nodiscard]] bool keep_floor(std::uint64_t bytes);
  void disk_failed(DiskFailure failure);
  void show();

  StoreOptions options_;
  Probe& probe_;
  std::mutex on_evicted_mutex_;
  OnEvicted on_evicted_;
  LayoutDirectory directory_;
  Catalogue catalogue_;
  StoreIndex index_;
  HotBlobs hot_;
  std::vector<BlobDigest> strays_;
  bool is_open_ = false;
  std::atomic<bool> is_storing_{false};
  std::atomic<bool> is_shortage_said_{false};
  std::mutex drafts_mutex_;
  std::condition_variable drafts_gone_;
  std::size_t drafts_ = 0;
};

}  // namespace propeller::store
