// What an operator asks of the depot, besides what clients do.
#include <fmt/format.h>

#include <cerrno>
#include <future>

#include "observe/log.hpp"
#include "store/depot.hpp"

namespace propeller::store {

Result<void> Depot::pin(const BlobDigest& digest, bool is_pinned) {
  switch (catalogue_.pin(digest, is_pinned)) {
    case Catalogue::Pinned::done: break;
    case Catalogue::Pinned::not_there:
      return fail(Code::not_found, Origin::client, fmt::format("{} is not in the store", digest.to_string()));
    case Catalogue::Pinned::too_much:
      return fail(Code::limit_exceeded, Origin::client,
                  fmt::format("pinned is at most half of the store ({} bytes) and {} blobs; unpin others, or make "
                              "cache.max_size larger",
                              catalogue_.pinned_bytes_max(), Catalogue::kPinsMax));
  }
  if (const auto row = catalogue_.row(digest)) static_cast<void>(index_.put_blobs({*row}));
  return {};
}

std::optional<BlobCheck> Depot::begin_check(const BlobDigest& digest) {
  if (!catalogue_.contains(digest)) return std::nullopt;
  auto file = directory_.open_blob(digest);
  // A file that is not there is read as one that has nothing; out of descriptors, say, nothing is known of it.
  if (!file.is_open() && !LayoutDirectory::is_missing(errno)) return std::nullopt;
  return BlobCheck(std::move(file), digest);
}

Depot::Ended Depot::end_check(const BlobCheck& check, BlobCheck::State state) {
  const auto row = catalogue_.row(check.digest());
  if (!row) return Ended::kept;  // evicted meanwhile
  if (state == BlobCheck::State::wrong || row->size != check.bytes()) {
    drop_damaged(check.digest());
    return Ended::dropped;
  }
  if (row->changed_ns == check.changed_ns()) return Ended::kept;
  catalogue_.set_changed(check.digest(), check.changed_ns());
  if (const auto now = catalogue_.row(check.digest())) static_cast<void>(index_.put_blobs({*now}));
  return Ended::kept;
}

Depot::Freed Depot::keep_limits() {
  const auto free = directory_.free_bytes();
  if (!free || *free >= options_.free_bytes_min) return {};
  std::vector<BlobDigest> victims;
  const std::uint64_t bytes = catalogue_.evict(options_.free_bytes_min - *free, victims);
  remove_files(victims);
  return {.blobs = victims.size(), .bytes = bytes};
}

std::vector<BlobDigest> Depot::find_strays(std::size_t count) const {
  std::vector<BlobDigest> strays;
  directory_.for_each_blob([&](const BlobDigest& digest, std::uint64_t, std::int64_t) {
    if (strays.size() < count && !catalogue_.contains(digest)) strays.push_back(digest);
  });
  return strays;
}

std::optional<BlobCheck> Depot::open_stray(const BlobDigest& digest) const {
  if (catalogue_.contains(digest)) return std::nullopt;  // downloaded meanwhile
  auto file = directory_.open_blob(digest);
  if (!file.is_open()) return std::nullopt;
  return BlobCheck(std::move(file), digest);
}

bool Depot::settle_stray(const BlobCheck& check, BlobCheck::State state) {
  const auto& digest = check.digest();
  if (catalogue_.contains(digest)) return true;
  std::vector<BlobDigest> victims;
  const bool is_kept =
      state == BlobCheck::State::right && catalogue_.reserve({.bytes = check.bytes(), .is_newcomer = false}, victims);
  if (is_kept) {
    const BlobRow row{.digest = digest, .size = check.bytes(), .changed_ns = check.changed_ns()};
    catalogue_.add(row, check.bytes(), victims);
    static_cast<void>(index_.put_blobs({row}));
  } else if (!catalogue_.contains(digest)) {
    remove_file(digest);
    probe_.swept.add();
  }
  remove_files(victims);
  show();
  return is_kept;
}

Result<std::uint64_t> Depot::drop_orphans() {
  std::promise<Result<void>> written;
  auto done = written.get_future();
  const auto keys = std::make_shared<std::vector<std::string>>();
  if (!index_.erase_orphans(keys, [&written](Result<void> result) { written.set_value(std::move(result)); }))
    return fail(Code::overloaded, Origin::internal, "the index has too much to write already");
  if (auto result = done.get(); !result) return std::unexpected(result.error());
  return keys->size();
}

}  // namespace propeller::store
