#include "store/store_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <system_error>

namespace propeller::store {

namespace {

constexpr std::array<const char*, 2> kMigrations = {
    "CREATE TABLE blobs(digest BLOB PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " used INTEGER NOT NULL, uses INTEGER NOT NULL, pinned INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE entries(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest BLOB, size INTEGER NOT NULL,"
    " status INTEGER NOT NULL, header_text TEXT NOT NULL, note TEXT NOT NULL, stored_at INTEGER NOT NULL,"
    " checked_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);"
    "CREATE INDEX entries_by_digest ON entries(digest)",
    "ALTER TABLE blobs ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0"};

constexpr std::string_view kEntryColumns =
    "key, digest, size, status, header_text, note, stored_at, checked_at, expires_at";
constexpr std::string_view kBlobColumns = "digest, size, changed, used, uses, pinned, used_at";
constexpr std::int64_t kRowIdMax = std::numeric_limits<std::int64_t>::max();

std::optional<Entry> entry_of(const db::Statement& row) {
  Entry entry;
  entry.key = row.text(0);
  if (!row.is_null(1)) {
    entry.digest = unpack_digest(row.bytes(1));
    if (!entry.digest) return std::nullopt;
  }
  entry.size = static_cast<std::uint64_t>(row.number(2));
  entry.status = static_cast<int>(row.number(3));
  entry.header_text = row.text(4);
  entry.note = row.text(5);
  entry.stored_at = row.number(6);
  entry.checked_at = row.number(7);
  entry.expires_at = row.number(8);
  const bool is_within = entry.key.size() <= Entry::kKeyBytesMax && entry.header_text.size() <= Entry::kTextBytesMax &&
                         entry.note.size() <= Entry::kTextBytesMax;
  return is_within ? std::optional(std::move(entry)) : std::nullopt;
}

std::optional<BlobRow> blob_of(const db::Statement& row) {
  const auto digest = unpack_digest(row.bytes(0));
  if (!digest || row.number(1) < 0 || row.number(3) < 0) return std::nullopt;
  return BlobRow{.digest = *digest,
                 .size = static_cast<std::uint64_t>(row.number(1)),
                 .changed_ns = row.number(2),
                 .used = static_cast<std::uint64_t>(row.number(3)),
                 .uses = static_cast<std::uint8_t>(row.number(4)),
                 .is_pinned = row.number(5) != 0,
                 .used_at = static_cast<std::uint32_t>(row.number(6))};
}

Result<void> write_blob(db::Connection& connection, const BlobRow& row) {
  auto put = connection.prepare("INSERT OR REPLACE INTO blobs VALUES(?, ?, ?, ?, ?, ?, ?)");
  if (!put) return std::unexpected(put.error());
  const auto digest = pack_digest(row.digest);
  return put->bind_bytes(1, digest)
      .bind(2, static_cast<std::int64_t>(row.size))
      .bind(3, row.changed_ns)
      .bind(4, static_cast<std::int64_t>(row.used))
      .bind(5, static_cast<std::int64_t>(row.uses))
      .bind(6, static_cast<std::int64_t>(row.is_pinned))
      .bind(7, static_cast<std::int64_t>(row.used_at))
      .run();
}

Result<void> delete_blob(db::Connection& connection, const BlobDigest& digest, const StoreIndex::OnKey& on_entry) {
  const auto packed = pack_digest(digest);
  auto blob = connection.prepare("DELETE FROM blobs WHERE digest = ?");
  if (!blob) return std::unexpected(blob.error());
  if (auto done = blob->bind_bytes(1, packed).run(); !done) return done;
  auto entries = connection.prepare("DELETE FROM entries WHERE digest = ? RETURNING key");
  if (!entries) return std::unexpected(entries.error());
  entries->bind_bytes(1, packed);
  for (;;) {
    const auto row = entries->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    if (on_entry) on_entry(entries->text(0));
  }
}

Result<void> write_entry(db::Connection& connection, const Entry& entry) {
  // The row gets a new id: the ids are the order in which entries go when there are too many.
  auto put = connection.prepare(
      "INSERT OR REPLACE INTO entries(key, digest, size, status, header_text, note, stored_at, checked_at, expires_at)"
      " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!put) return std::unexpected(put.error());
  const auto packed = entry.digest ? pack_digest(*entry.digest) : std::vector<std::uint8_t>();
  put->bind(1, entry.key);
  if (entry.digest)
    put->bind_bytes(2, packed);
  else
    put->bind_null(2);
  return put->bind(3, static_cast<std::int64_t>(entry.size))
      .bind(4, static_cast<std::int64_t>(entry.status))
      .bind(5, entry.header_text)
      .bind(6, entry.note)
      .bind(7, entry.stored_at)
      .bind(8, entry.checked_at)
      .bind(9, entry.expires_at)
      .run();
}

/// Of entries: what clients reach pinned content by stays with it.
constexpr std::string_view kIsUnpinned =
    "NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = entries.digest AND blobs.pinned)";

/// At most `count` of the oldest, and not the one of `spared`.
Result<void> drop_oldest_entries(db::Connection& connection, std::int64_t count, const std::string& spared,
                                 std::vector<std::string>& dropped) {
  const auto sql = fmt::format(
      "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE key <> ? AND {} ORDER BY id LIMIT ?)"
      " RETURNING key",
      kIsUnpinned);
  auto trim = connection.prepare(sql);
  if (!trim) return std::unexpected(trim.error());
  trim->bind(1, spared).bind(2, count);
  for (;;) {
    auto row = trim->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    dropped.emplace_back(trim->text(0));
  }
}

/// Deletes one row, unless it names pinned content; its digest into `digests`. False when nothing was deleted.
Result<bool> delete_unpinned_entry(db::Connection& connection, const std::string& key,
                                   std::vector<BlobDigest>& digests) {
  const auto sql = fmt::format("DELETE FROM entries WHERE key = ? AND {} RETURNING digest", kIsUnpinned);
  auto gone = connection.prepare(sql);
  if (!gone) return std::unexpected(gone.error());
  gone->bind(1, key);
  for (bool is_gone = false;;) {
    auto row = gone->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return is_gone;
    is_gone = true;
    if (gone->is_null(0)) continue;
    if (const auto digest = unpack_digest(gone->bytes(0))) digests.push_back(*digest);
  }
}

/// With the same body, and not checked since.
Result<bool> is_there(db::Connection& connection, const Entry& entry) {
  auto found = connection.prepare("SELECT digest, checked_at FROM entries WHERE key = ?");
  if (!found) return std::unexpected(found.error());
  auto row = found->bind(1, entry.key).step();
  if (!row || !*row) return row;
  const auto digest = found->is_null(0) ? std::nullopt : unpack_digest(found->bytes(0));
  return digest == entry.digest && found->number(1) == entry.checked_at;
}

Result<bool> names(db::Connection& connection, const BlobDigest& digest) {
  const auto packed = pack_digest(digest);
  auto found = connection.prepare("SELECT 1 FROM entries WHERE digest = ? LIMIT 1");
  if (!found) return std::unexpected(found.error());
  return found->bind_bytes(1, packed).step();
}

}  // namespace

std::vector<std::uint8_t> pack_digest(const BlobDigest& digest) {
  std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(digest.algorithm())};
  bytes.insert(bytes.end(), digest.bytes().begin(), digest.bytes().end());
  return bytes;
}

std::optional<BlobDigest> unpack_digest(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return std::nullopt;
  return BlobDigest::from_bytes(static_cast<DigestAlgorithm>(bytes.front()), bytes.subspan(1));
}

std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

Result<StoreIndex::Opened> StoreIndex::open(const std::filesystem::path& path) {
  auto opened = database_.open(path, kMigrations);
  if (opened) return Opened{};
  if (!database_.is_corrupt()) return std::unexpected(opened.error());
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path.native() + suffix, ignored);
  opened = database_.open(path, kMigrations);
  if (!opened) return std::unexpected(opened.error());
  return Opened{.was_lost = true};
}

Result<void> StoreIndex::for_each_blob(const std::function<void(const BlobRow&)>& visit) {
  return database_.read([&](db::Connection& connection) -> Result<void> {
    auto rows = connection.prepare("SELECT " + std::string(kBlobColumns) + " FROM blobs ORDER BY used");
    if (!rows) return std::unexpected(rows.error());
    for (;;) {
      auto row = rows->step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      if (const auto blob = blob_of(*rows)) visit(*blob);
    }
  });
}

Result<void> StoreIndex::for_each_key(const std::function<void(std::string_view)>& visit) {
  return database_.read([&](db::Connection& connection) -> Result<void> {
    auto rows = connection.prepare("SELECT key FROM entries");
    if (!rows) return std::unexpected(rows.error());
    for (;;) {
      auto row = rows->step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      visit(rows->text(0));
    }
  });
}

bool StoreIndex::put_blobs(std::vector<BlobRow> rows, Done done) {
  return database_.submit(
      [rows = std::move(rows)](db::Connection& connection) -> Result<void> {
        for (const BlobRow& row : rows) {
          if (auto written = write_blob(connection, row); !written) return written;
        }
        return {};
      },
      std::move(done));
}

bool StoreIndex::erase_blobs(std::vector<BlobDigest> digests, OnKey on_entry, Done done) {
  return database_.submit(
      [digests = std::move(digests), on_entry = std::move(on_entry)](db::Connection& connection) -> Result<void> {
        for (const BlobDigest& digest : digests) {
          if (auto deleted = delete_blob(connection, digest, on_entry); !deleted) return deleted;
        }
        return {};
      },
      std::move(done));
}

Result<void> StoreIndex::trim_entries(db::Connection& connection, const EntryWrite& write) {
  if (--entry_room_ >= 0) return {};
  auto there = connection.prepare("SELECT count(*) FROM entries");
  if (!there) return std::unexpected(there.error());
  if (auto row = there->step(); !row) return std::unexpected(row.error());
  const auto most = static_cast<std::int64_t>(std::min<std::size_t>(write.entries_max, kRowIdMax));
  entry_room_ = most - there->number(0);
  if (entry_room_ >= 0) return {};
  // More than has to go: or a store that is full would be counted with each write.
  const auto spare = most / kTrimPart;
  auto trimmed = drop_oldest_entries(connection, spare - entry_room_, write.entry->key, *write.dropped);
  entry_room_ = spare;
  return trimmed;
}

bool StoreIndex::put_entry(EntryWrite write, Done done) {
  return database_.submit(
      [this, write = std::move(write)](db::Connection& connection) -> Result<void> {
        if (write.before) {
          const auto is_same = is_there(connection, *write.before);
          if (!is_same) return std::unexpected(is_same.error());
          if (!*is_same) return fail(Code::not_found, Origin::internal, "another entry is there by now, or none");
        }
        auto written = write_entry(connection, *write.entry);
        return written ? trim_entries(connection, write) : written;
      },
      std::move(done));
}

bool StoreIndex::erase_entry(std::string key, Done done) {
  return database_.submit(
      [key = std::move(key)](db::Connection& connection) -> Result<void> {
        auto statement = connection.prepare("DELETE FROM entries WHERE key = ?");
        if (!statement) return std::unexpected(statement.error());
        return statement->bind(1, key).run();
      },
      std::move(done));
}

bool StoreIndex::erase_unpinned_entries(std::vector<std::string> keys, std::shared_ptr<ErasedEntries> erased,
                                        Done done) {
  return database_.submit(
      [keys = std::move(keys), erased = std::move(erased)](db::Connection& connection) -> Result<void> {
        *erased = {};
        std::vector<BlobDigest> digests;
        for (const std::string& key : keys) {
          const auto is_gone = delete_unpinned_entry(connection, key, digests);
          if (!is_gone) return std::unexpected(is_gone.error());
          if (*is_gone) erased->keys.push_back(key);
        }
        std::ranges::sort(digests);
        const auto [end, last] = std::ranges::unique(digests);
        digests.erase(end, last);
        for (const BlobDigest& digest : digests) {
          const auto named = names(connection, digest);
          if (!named) return std::unexpected(named.error());
          if (!*named) erased->unnamed.push_back(digest);
        }
        return {};
      },
      std::move(done));
}

bool StoreIndex::erase_orphans(std::shared_ptr<std::vector<std::string>> keys, Done done) {
  return database_.submit(
      [keys = std::move(keys)](db::Connection& connection) -> Result<void> {
        auto gone = connection.prepare(
            "DELETE FROM entries WHERE digest IS NOT NULL AND digest NOT IN (SELECT digest FROM blobs) RETURNING key");
        if (!gone) return std::unexpected(gone.error());
        for (;;) {
          auto row = gone->step();
          if (!row) return std::unexpected(row.error());
          if (!*row) return {};
          keys->emplace_back(gone->text(0));
        }
      },
      std::move(done));
}

Result<std::vector<BlobRow>> StoreIndex::list_unnamed(const std::optional<BlobDigest>& after, std::size_t count) {
  std::vector<BlobRow> found;
  const std::string sql = "SELECT " + std::string(kBlobColumns) +
                          " FROM blobs WHERE digest > ?1 AND NOT EXISTS"
                          " (SELECT 1 FROM entries WHERE entries.digest = blobs.digest) ORDER BY digest LIMIT ?2";
  const auto from = after ? pack_digest(*after) : std::vector<std::uint8_t>{0};
  auto read = database_.read([&](db::Connection& connection) -> Result<void> {
    auto rows = connection.prepare(sql);
    if (!rows) return std::unexpected(rows.error());
    rows->bind_bytes(1, from).bind(2, static_cast<std::int64_t>(count));
    for (;;) {
      auto row = rows->step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      if (auto blob = blob_of(*rows)) found.push_back(*blob);
    }
  });
  if (!read) return std::unexpected(read.error());
  return found;
}

Result<bool> StoreIndex::is_named(const BlobDigest& digest) {
  bool is_named = false;
  auto read = database_.read([&](db::Connection& connection) -> Result<void> {
    const auto found = names(connection, digest);
    if (!found) return std::unexpected(found.error());
    is_named = *found;
    return {};
  });
  if (!read) return std::unexpected(read.error());
  return is_named;
}

bool StoreIndex::erase_all_unpinned_entries(Done done) {
  return database_.submit(
      [](db::Connection& connection) {
        return connection.execute(fmt::format("DELETE FROM entries WHERE {}", kIsUnpinned));
      },
      std::move(done));
}

Result<std::shared_ptr<const Entry>> StoreIndex::find_entry(const std::string& key) {
  std::shared_ptr<const Entry> found;
  const std::string sql = "SELECT " + std::string(kEntryColumns) + " FROM entries WHERE key = ?";
  auto read = database_.read([&](db::Connection& connection) -> Result<void> {
    auto statement = connection.prepare(sql);
    if (!statement) return std::unexpected(statement.error());
    auto row = statement->bind(1, key).step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    if (auto entry = entry_of(*statement)) found = std::make_shared<const Entry>(std::move(*entry));
    return {};
  });
  if (!read) return std::unexpected(read.error());
  return found;
}

Result<std::vector<Entry>> StoreIndex::list_entries(const std::string& prefix, const std::string& after,
                                                    std::size_t count) {
  std::vector<Entry> entries;
  const std::string end = end_of_prefix(prefix);
  const std::string sql = "SELECT " + std::string(kEntryColumns) +
                          " FROM entries WHERE key > ?1 AND key >= ?2 AND (?3 = '' OR key < ?3) ORDER BY key LIMIT ?4";
  auto read = database_.read([&](db::Connection& connection) -> Result<void> {
    auto rows = connection.prepare(sql);
    if (!rows) return std::unexpected(rows.error());
    rows->bind(1, after).bind(2, prefix).bind(3, end).bind(4, static_cast<std::int64_t>(count));
    for (;;) {
      auto row = rows->step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      if (auto entry = entry_of(*rows)) entries.push_back(std::move(*entry));
    }
  });
  if (!read) return std::unexpected(read.error());
  return entries;
}

}  // namespace propeller::store
