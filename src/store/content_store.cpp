#include "store/content_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/this_coro.hpp>

#include "async/offload.hpp"
#include "base/assert.hpp"
#include "store/depot.hpp"
#include "store/entry_book.hpp"
#include "store/flight.hpp"
#include "store/keeper.hpp"

namespace propeller::store {

namespace {

// A flight that ends, or a blob that goes, in the moment of the look-up: look again. More often than this nobody is
// that unlucky.
constexpr int kJoinTries = 16;

BlobInfo info_of(const BlobRow& row) {
  return {.digest = row.digest, .size = row.size, .used_at = row.used_at, .is_pinned = row.is_pinned};
}

Error crowded(std::string_view what) {
  return {Code::overloaded, Origin::internal, fmt::format("too many {} at once", what)};
}

}  // namespace

Result<PolicyKind> parse_policy(std::string_view name) {
  if (name == "s3fifo") return PolicyKind::s3fifo;
  if (name == "sieve") return PolicyKind::sieve;
  if (name == "lru") return PolicyKind::lru;
  return fail(Code::bad_config, Origin::client, fmt::format("'{}' is no policy: s3fifo, sieve or lru", name));
}

struct ContentStore::State {
  State(StoreOptions options, boost::asio::thread_pool& blocking_pool, Probe& probe)
      : pool(blocking_pool), depot(std::move(options), probe), entries(depot, pool, kHotBytesMax), keeper(depot) {}

  boost::asio::thread_pool& pool;
  Depot depot;
  FlightTable flights;
  EntryBook entries;
  Keeper keeper;
  std::atomic<Backing*> backing = nullptr;
};

ContentStore::ContentStore(StoreOptions options, boost::asio::thread_pool& pool, Probe& probe)
    : state_(std::make_unique<State>(std::move(options), pool, probe)) {}

ContentStore::~ContentStore() { close(); }

Result<void> ContentStore::open() {
  if (auto opened = state_->depot.open(); !opened) return opened;
  if (auto loaded = state_->entries.load(); !loaded) return loaded;
  state_->keeper.start();
  return {};
}

void ContentStore::close() {
  state_->keeper.stop();
  state_->depot.close();
}

async::awaitable<Result<Joined>> ContentStore::join(JoinRequest request) {
  const bool is_by_digest = request.key.empty() && request.digest.has_value();
  const std::string key = is_by_digest ? request.digest->to_string() : "key:" + request.key;
  const auto executor = co_await boost::asio::this_coro::executor;
  Probe& probe = state_->depot.probe();
  for (int tries = 0; tries < kJoinTries; ++tries) {
    if (is_by_digest) {
      if (auto blob = co_await find_blob(*request.digest)) {
        probe.hits.add();
        co_return Joined{.blob = std::move(blob), .reader = nullptr, .writer = nullptr};
      }
    }
    auto found = FlightTable::Found{.flight = state_->flights.find(key)};
    if (!found.flight && !request.may_begin) co_return Joined();
    if (!found.flight) {
      found = state_->flights.find_or_make(key, kFlightsMax, [&] {
        return std::make_shared<Flight>(state_->depot, state_->flights, key, request.digest, state_->pool);
      });
    }
    if (!found.flight) co_return std::unexpected(crowded("downloads"));
    // It may have been published and left the table between the two looks.
    if (found.is_new && is_by_digest && has_blob(*request.digest)) {
      found.flight->decline();
      continue;
    }
    auto writer = found.is_new ? std::make_unique<BlobWriter>(found.flight) : nullptr;
    auto seat = std::make_shared<FlightSeat>(found.flight, executor);
    switch (found.flight->sit(*seat)) {
      case Flight::Seating::full: co_return std::unexpected(crowded("readers of one download"));
      case Flight::Seating::over: state_->flights.remove(*found.flight); continue;
      case Flight::Seating::seated: break;
    }
    (found.is_new ? probe.misses : probe.collapsed).add();
    auto reader = std::make_unique<BlobReader>(std::move(seat));
    co_return Joined{.blob = nullptr, .reader = std::move(reader), .writer = std::move(writer)};
  }
  co_return std::unexpected(crowded("changes of one blob"));
}

async::awaitable<std::shared_ptr<const OpenBlob>> ContentStore::find_blob(BlobDigest digest) {
  auto opening = state_->depot.open_blob(digest);
  if (!opening.doubtful) co_return opening.blob;
  const bool is_right = co_await async::offload(
      state_->pool, [&depot = state_->depot, blob = opening.doubtful] { return depot.settle(*blob); });
  if (!is_right) co_return nullptr;
  co_return opening.doubtful;
}

bool ContentStore::has_blob(const BlobDigest& digest) const { return state_->depot.catalogue().contains(digest); }

async::awaitable<bool> ContentStore::verify_blob(BlobDigest digest) {
  auto opening = state_->depot.open_blob(digest);
  auto blob = opening.blob ? opening.blob : opening.doubtful;
  if (!blob) co_return false;
  co_return co_await async::offload(state_->pool,
                                    [&depot = state_->depot, blob = std::move(blob)] { return depot.settle(*blob); });
}

async::awaitable<Result<void>> ContentStore::pin_blob(BlobDigest digest, bool is_pinned) {
  co_return state_->depot.pin(digest, is_pinned);
}

async::awaitable<Result<void>> ContentStore::erase_blob(BlobDigest digest) {
  co_return co_await async::offload(state_->pool, [&depot = state_->depot, digest] {
    depot.remove(digest);
    return Result<void>();
  });
}

async::awaitable<Result<bool>> ContentStore::erase_unnamed_blob(BlobDigest digest) {
  if (!state_->depot.is_open()) co_return false;
  co_return co_await async::offload(state_->pool, [&depot = state_->depot, digest]() -> Result<bool> {
    const auto row = depot.catalogue().row(digest);
    if (!row || row->is_pinned) return false;
    const auto is_named = depot.index().is_named(digest);
    if (!is_named) return std::unexpected(is_named.error());
    // An entry that comes at this moment goes with its blob: a miss, no more.
    if (!*is_named) depot.remove(digest);
    return !*is_named;
  });
}

std::optional<BlobInfo> ContentStore::blob_info(const BlobDigest& digest) const {
  const auto row = state_->depot.catalogue().row(digest);
  return row ? std::optional(info_of(*row)) : std::nullopt;
}

std::vector<BlobInfo> ContentStore::pinned_blobs() const {
  std::vector<BlobInfo> infos;
  for (const auto& row : state_->depot.catalogue().pinned()) infos.push_back(info_of(row));
  return infos;
}

async::awaitable<Result<std::vector<BlobInfo>>> ContentStore::list_unnamed_blobs(std::optional<BlobDigest> after,
                                                                                 std::size_t count) {
  if (!state_->depot.is_open()) co_return std::vector<BlobInfo>();
  count = std::min(count, kPageMax);
  auto rows = co_await async::offload(
      state_->pool, [&index = state_->depot.index(), after, count] { return index.list_unnamed(after, count); });
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<BlobInfo> infos;
  for (const auto& row : *rows) infos.push_back(blob_info(row.digest).value_or(info_of(row)));
  co_return infos;
}

async::awaitable<Result<void>> ContentStore::put_entry(Entry entry) { return state_->entries.put(std::move(entry)); }

std::optional<ContentStore::Found> ContentStore::find_now(const std::string& key) {
  auto entry = state_->entries.find_hot(key);
  if (!entry || !entry->digest) return std::nullopt;
  auto opening = state_->depot.open_blob(*entry->digest);
  if (!opening.blob) return std::nullopt;
  return Found{.entry = std::move(entry), .blob = std::move(opening.blob)};
}

async::awaitable<Result<void>> ContentStore::replace_entry(std::shared_ptr<const Entry> before, Entry entry) {
  return state_->entries.put(std::move(entry), std::move(before));
}

async::awaitable<Result<std::shared_ptr<const Entry>>> ContentStore::find_entry(std::string key) {
  return state_->entries.find(std::move(key));
}

async::awaitable<Result<bool>> ContentStore::erase_entry(std::string key) {
  return state_->entries.erase(std::move(key));
}

async::awaitable<Result<std::vector<Entry>>> ContentStore::list_entries(std::string prefix, std::string after,
                                                                        std::size_t count) {
  return state_->entries.list(std::move(prefix), std::move(after), std::min(count, kPageMax));
}

async::awaitable<Result<ContentStore::Erased>> ContentStore::erase_unpinned(std::vector<std::string> keys) {
  if (keys.size() > kPageMax) co_return fail(Code::limit_exceeded, Origin::internal, "too many keys at once");
  const auto gone = co_await state_->entries.erase_unpinned(std::move(keys));
  if (!gone) co_return std::unexpected(gone.error());
  Erased erased{.entries = gone->keys.size()};
  co_return co_await async::offload(state_->pool, [&depot = state_->depot, digests = gone->unnamed, erased]() mutable {
    for (const BlobDigest& digest : digests) {
      const auto row = depot.catalogue().row(digest);
      if (!row || row->is_pinned) continue;
      depot.remove(digest);
      ++erased.blobs;
      erased.bytes += row->size;
    }
    return Result<Erased>(erased);
  });
}

std::shared_ptr<StoreCheck> ContentStore::begin_check() { return std::make_shared<StoreCheck>(state_->depot); }

async::awaitable<CheckProgress> ContentStore::go_on(std::shared_ptr<StoreCheck> check) {
  co_return co_await async::offload(state_->pool, [check = std::move(check)] { return check->step(); });
}

std::shared_ptr<StoreSweep> ContentStore::begin_sweep(bool takes_unnamed) {
  return std::make_shared<StoreSweep>(state_->depot, takes_unnamed);
}

async::awaitable<Result<SweepProgress>> ContentStore::go_on(std::shared_ptr<StoreSweep> sweep) {
  if (!state_->depot.is_open()) co_return fail(Code::io, Origin::internal, "the store is not open");
  co_return co_await async::offload(state_->pool, [sweep = std::move(sweep)] { return sweep->step(); });
}

async::awaitable<Result<void>> ContentStore::clear_unpinned() {
  if (auto cleared = co_await state_->entries.clear_unpinned(); !cleared) co_return cleared;
  co_return co_await async::offload(state_->pool, [&depot = state_->depot] {
    for (const BlobDigest& digest : depot.catalogue().unpinned()) depot.remove(digest);
    return Result<void>();
  });
}

void ContentStore::set_backing(Backing* backing) { state_->backing = backing; }

Backing* ContentStore::backing() const { return state_->backing; }

void ContentStore::watch_evictions(std::function<void(std::string_view key)> on_evicted) {
  state_->depot.watch_evictions(std::move(on_evicted));
}

StoreStatus ContentStore::status() const {
  const Depot& depot = state_->depot;
  return {.bytes = depot.catalogue().bytes(),
          .size_bytes_max = depot.options().size_bytes_max,
          .blobs = depot.catalogue().size(),
          .entries = state_->entries.size(),
          .flights = state_->flights.size(),
          .evictions = state_->depot.probe().evicted.value(),
          .is_storing = depot.is_storing()};
}

std::size_t ContentStore::memory_bytes() const {
  return state_->depot.catalogue().memory_bytes() + state_->entries.memory_bytes();
}

}  // namespace propeller::store
