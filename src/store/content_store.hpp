#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/core.hpp"
#include "base/error.hpp"
#include "store/backing.hpp"
#include "store/blob_stream.hpp"
#include "store/entry.hpp"
#include "store/open_blob.hpp"
#include "store/probe.hpp"
#include "store/store_options.hpp"
#include "store/upkeep.hpp"

namespace propeller::store {

struct JoinRequest {
  /// Who asks for the same shares one download. Empty: the digest is the key, and a blob that is there answers.
  std::string key;
  /// What the bytes have to be. With a key, a blob that is there does not answer: who may have it is the key's matter.
  std::optional<BlobDigest> digest;
  /// False: only a download that is on its way already.
  bool may_begin = true;
};

/// Exactly one of `blob` and `reader` is set; `writer` besides `reader` for the one who has to download. Neither when
/// there is nothing to join and `may_begin` is false.
struct Joined {
  std::shared_ptr<const OpenBlob> blob;
  std::unique_ptr<BlobReader> reader;
  std::unique_ptr<BlobWriter> writer;
};

struct BlobInfo {
  BlobDigest digest;
  std::uint64_t size = 0;
  std::int64_t used_at = 0;  ///< Unix seconds; 0: not since that is noted
  bool is_pinned = false;
};

struct StoreStatus {
  std::uint64_t bytes = 0;  ///< complete blobs, and what drafts have reserved
  std::uint64_t size_bytes_max = 0;
  std::size_t blobs = 0;
  std::size_t entries = 0;
  std::size_t flights = 0;
  std::uint64_t evictions = 0;  ///< blobs that made room for others, since the start
  bool is_storing = true;       ///< false while the disk is full, read-only or broken
};

/// Bytes by digest, entries by key: everything the site keeps, one copy per digest.
///
/// On disk it is an OCI image layout (`oci-layout`, `index.json`, `blobs/sha256/<hex>`, `blobs/sha512/<hex>`), besides
/// `tmp/` (drafts), `index.db` (SQLite) and `lock`. A blob gets its name only when it is complete, right and fsynced.
///
/// Usage:    joined = co_await store.join({.digest = d});
///           if (joined->blob) send_file(blob->fd(), …);            // a hit
///           if (joined->writer) group.spawn(download(std::move(joined->writer)));
///           … joined->reader->head(), read() …                     // first asker and all others alike
/// Bound:    bytes by size_bytes_max (drafts count), entries by entries_max, downloads by kFlightsMax, readers of one
///           by kReadersMax; memory at most 200 bytes per blob with its entry, and kHotBytesMax of recently used
///           entries.
/// Errors:   a disk that is full, read-only or broken stops storing, never serving; a damaged blob is dropped and
///           counted, and never served. After open() failed the store may still be used: it passes on and keeps
///           nothing.
/// Threads:  any core after open(); awaitables resume on the caller's. Disk, hashing and SQLite run on `pool`, on the
///           database's thread, and on one housekeeping thread of its own.
/// Lifetime: outlives its readers and writers. The destructor waits for drafts that end on `pool`: join the pool after
///           it, and do not stop() it before.
/// Source:   docs/adr/0004-content-store.md
class ContentStore {
 public:
  static constexpr std::size_t kFlightsMax = 4096;
  static constexpr std::size_t kReadersMax = 10'000;
  static constexpr std::size_t kHotBytesMax = 4 * 1024 * 1024;
  static constexpr std::size_t kPageMax = 1000;

  ContentStore(StoreOptions options, boost::asio::thread_pool& pool, Probe& probe);
  ~ContentStore();
  ContentStore(const ContentStore&) = delete;
  ContentStore& operator=(const ContentStore&) = delete;

  /// Blocks: takes the lock, reads the index, sweeps what a crash left, evicts down to the limits.
  /// Errors: overloaded when another process has the directory; io with a sentence.
  [[nodiscard]] Result<void> open();
  /// Writes what is pending and stops the threads. Safe to call twice.
  void close();

  // Blobs.

  /// The blob, or a place in its download. Errors: overloaded (kFlightsMax, kReadersMax): fetch without the store.
  [[nodiscard]] async::awaitable<Result<Joined>> join(JoinRequest request);
  /// The blob if it is complete; a file in doubt is hashed first. Counts as a use.
  [[nodiscard]] async::awaitable<std::shared_ptr<const OpenBlob>> find_blob(BlobDigest digest);
  /// Is it there, without touching it or the disk?
  [[nodiscard]] bool has_blob(const BlobDigest& digest) const;
  /// Reads the whole file and compares; false, and dropped, when it is damaged or not there.
  [[nodiscard]] async::awaitable<bool> verify_blob(BlobDigest digest);
  /// A pinned blob is not evicted. Errors: not_found when it is not there; limit_exceeded: half of the store, or
  /// Catalogue::kPinsMax blobs, are pinned already.
  [[nodiscard]] async::awaitable<Result<void>> pin_blob(BlobDigest digest, bool is_pinned);
  /// With every entry that names it.
  [[nodiscard]] async::awaitable<Result<void>> erase_blob(BlobDigest digest);
  /// False: it stays, since an entry names it or it is pinned, or it was not there.
  async::awaitable<Result<bool>> erase_unnamed_blob(BlobDigest digest);
  [[nodiscard]] std::optional<BlobInfo> blob_info(const BlobDigest& digest) const;
  [[nodiscard]] std::vector<BlobInfo> pinned_blobs() const;
  /// At most `count` (kPageMax) that no entry names, in the order of their digests, those after `after`.
  [[nodiscard]] async::awaitable<Result<std::vector<BlobInfo>>> list_unnamed_blobs(std::optional<BlobDigest> after,
                                                                                   std::size_t count);

  // Entries.

  /// Replaces what was under the key. Errors: too_large; not_found when its blob is not there; io.
  [[nodiscard]] async::awaitable<Result<void>> put_entry(Entry entry);
  /// The same if what is under the key has the body of `before` still, and was not checked since. Errors: not_found,
  /// too, when it is another.
  [[nodiscard]] async::awaitable<Result<void>> replace_entry(std::shared_ptr<const Entry> before, Entry entry);
  /// An entry with its blob.
  struct Found {
    std::shared_ptr<const Entry> entry;
    std::shared_ptr<const OpenBlob> blob;
  };
  /// What needs no wait: an entry that is in memory, and a blob that is not in doubt. Counts as a use. When there is
  /// nothing, find_entry() and find_blob() may still find it.
  [[nodiscard]] std::optional<Found> find_now(const std::string& key);
  /// Null when there is none.
  [[nodiscard]] async::awaitable<Result<std::shared_ptr<const Entry>>> find_entry(std::string key);
  [[nodiscard]] async::awaitable<Result<bool>> erase_entry(std::string key);
  /// At most `count` (kPageMax) in the order of their keys, those after `after` whose keys begin with `prefix`.
  [[nodiscard]] async::awaitable<Result<std::vector<Entry>>> list_entries(std::string prefix, std::string after,
                                                                          std::size_t count);
  struct Erased {
    std::uint64_t entries = 0;
    std::uint64_t blobs = 0;  ///< that no other entry named, and that were not pinned
    std::uint64_t bytes = 0;
  };
  /// Those of at most kPageMax keys. What is pinned keeps its names, by which alone clients reach it.
  [[nodiscard]] async::awaitable<Result<Erased>> erase_unpinned(std::vector<std::string> keys);
  /// Every blob that is not pinned, and every entry that names none which is.
  [[nodiscard]] async::awaitable<Result<void>> clear_unpinned();

  // Upkeep. A step at a time: who asks for no more steps has ended it.

  [[nodiscard]] std::shared_ptr<StoreCheck> begin_check();
  [[nodiscard]] async::awaitable<CheckProgress> go_on(std::shared_ptr<StoreCheck> check);
  [[nodiscard]] std::shared_ptr<StoreSweep> begin_sweep(bool takes_unnamed);
  [[nodiscard]] async::awaitable<Result<SweepProgress>> go_on(std::shared_ptr<StoreSweep> sweep);

  /// What stands behind this one; null: nothing. Threads: any. Lifetime: until another is set, and its calls are over.
  void set_backing(Backing* backing);
  [[nodiscard]] Backing* backing() const;

  [[nodiscard]] StoreStatus status() const;
  /// See Depot::watch_evictions(). Threads: any.
  void watch_evictions(std::function<void(std::string_view key)> on_evicted);
  /// Of the tables, without the hot entries: what grows with the number of blobs and entries.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace propeller::store
