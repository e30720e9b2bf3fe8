#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "store/catalogue.hpp"
#include "store/entry.hpp"

namespace propeller::store {

/// The store's tables on SQLite: rows in, rows out, no decisions.
///
/// Order:    writes in the order of the calls.
/// Errors:   io. What is in the file is not trusted: a row that cannot be is left out. A file that is no database at
///           all is replaced by an empty one, as everything in it can be found again.
/// Threads:  any after open(). Calls block on SQLite; the ones that answer through `done` do not.
class StoreIndex {
 public:
  using Done = db::Database::Done;
  using OnKey = std::function<void(std::string_view key)>;

  /// `was_lost`: the index had to begin anew.
  struct Opened {
    bool was_lost = false;
  };
  [[nodiscard]] Result<Opened> open(const std::filesystem::path& path);
  void close() { database_.close(); }

  /// Those not used for longest first.
  [[nodiscard]] Result<void> for_each_blob(const std::function<void(const BlobRow&)>& visit);
  [[nodiscard]] Result<void> for_each_key(const std::function<void(std::string_view key)>& visit);

  /// All of them false, with `done` not called, when the database has too much to do already.
  bool put_blobs(std::vector<BlobRow> rows, Done done = {});
  /// With the entries whose body they are; `on_entry` hears of each, on the index's thread.
  bool erase_blobs(std::vector<BlobDigest> digests, OnKey on_entry = {}, Done done = {});
  struct EntryWrite {
    std::shared_ptr<const Entry> entry;
    std::shared_ptr<const Entry> before;                ///< has to be there still; null: whatever is there
    std::size_t entries_max = 0;                        ///< above it the oldest go, and a few more
    std::shared_ptr<std::vector<std::string>> dropped;  ///< their keys, when `done` is called
  };
  /// `done` hears not_found when another entry than `before`, or none, is there.
  bool put_entry(EntryWrite write, Done done);
  bool erase_entry(std::string key, Done done);
  struct ErasedEntries {
    std::vector<std::string> keys;    ///< that there were
    std::vector<BlobDigest> unnamed;  ///< that they named and no other entry does
  };
  /// Not those that name pinned content. `erased` is filled when `done` is called.
  bool erase_unpinned_entries(std::vector<std::string> keys, std::shared_ptr<ErasedEntries> erased, Done done);
  /// Those whose body has no row; their keys.
  bool erase_orphans(std::shared_ptr<std::vector<std::string>> keys, Done done);
  bool erase_all_unpinned_entries(Done done);

  /// Null when there is none.
  [[nodiscard]] Result<std::shared_ptr<const Entry>> find_entry(const std::string& key);
  [[nodiscard]] Result<std::vector<Entry>> list_entries(const std::string& prefix, const std::string& after,
                                                        std::size_t count);
  /// Is it the body of an entry?
  [[nodiscard]] Result<bool> is_named(const BlobDigest& digest);
  /// Blobs that no entry names, in the order of their digests.
  [[nodiscard]] Result<std::vector<BlobRow>> list_unnamed(const std::optional<BlobDigest>& after, std::size_t count);

 private:
  /// When the oldest have to go, a part more of all goes: one in so many.
  static constexpr std::int64_t kTrimPart = 64;

  [[nodiscard]] Result<void> trim_entries(db::Connection& connection, const EntryWrite& write);

  /// So many writes fit in without another count of what is there: of the index's thread.
  std::int64_t entry_room_ = 0;
  db::Database database_;  // last: its thread ends before what it uses does
};

/// A digest as it stands in the index: one byte for the algorithm, then its bytes.
[[nodiscard]] std::vector<std::uint8_t> pack_digest(const BlobDigest& digest);
[[nodiscard]] std::optional<BlobDigest> unpack_digest(std::span<const std::uint8_t> bytes);

/// The least text that is greater than every text that begins with `prefix`; empty when there is none.
[[nodiscard]] std::string end_of_prefix(std::string_view prefix);

}  // namespace propeller::store
