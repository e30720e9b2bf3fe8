#include "store/entry_book.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

#include "async/offload.hpp"

namespace propeller::store {

namespace asio = boost::asio;

namespace {

// 64 bits of a hash that nobody outside can steer into collisions.
std::uint64_t hash_of(std::string_view key) { return BlobDigest(base::sha256(key)).prefix(); }

// Resumes on the caller's core when the database's thread has answered. `start(done)` is false when it has no room.
template <class Start>
async::awaitable<Result<void>> committed(Start start) {
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<void>)>(
      [](auto handler, Start begin) {
        const auto executor = asio::get_associated_executor(handler);
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        const auto resume = [shared, executor](Result<void> result) {
          asio::post(executor,
                     [shared, result = std::move(result)]() mutable { std::move (*shared)(std::move(result)); });
        };
        if (!begin(resume)) resume(fail(Code::overloaded, Origin::internal, "the index has too much to write already"));
      },
      asio::use_awaitable, std::move(start));
}

Result<void> refuse_if_large(const Entry& entry) {
  if (entry.key.size() <= Entry::kKeyBytesMax && entry.header_text.size() <= Entry::kTextBytesMax &&
      entry.note.size() <= Entry::kTextBytesMax)
    return {};
  return fail(Code::too_large, Origin::upstream, "the header block or the address is too long to be kept");
}

Error not_open() { return {Code::io, Origin::internal, "the store is not open"}; }

}  // namespace

Result<void> EntryBook::load() {
  const std::scoped_lock lock(mutex_);
  keys_.clear();
  return depot_.index().for_each_key([this](std::string_view key) { keys_.insert(hash_of(key)); });
}

async::awaitable<Result<void>> EntryBook::put(Entry entry, std::shared_ptr<const Entry> before) {
  if (auto small = refuse_if_large(entry); !small) co_return small;
  if (!depot_.is_open()) co_return std::unexpected(not_open());
  if (!has_body(entry)) co_return fail(Code::not_found, Origin::internal, "the entry's body is not in the store");
  const auto shared = std::make_shared<const Entry>(std::move(entry));
  const auto dropped = std::make_shared<std::vector<std::string>>();
  hot_.erase(shared->key);
  const auto generation = hot_.generation(shared->key);
  const StoreIndex::EntryWrite write{
      .entry = shared, .before = std::move(before), .entries_max = depot_.options().entries_max, .dropped = dropped};
  auto written =
      co_await committed([this, write](auto done) { return depot_.index().put_entry(write, std::move(done)); });
  if (!written) co_return written;
  for (const std::string& key : *dropped) {
    if (key != shared->key) forget(key);
  }
  remember(shared->key);
  hot_.put(generation, shared);
  co_return Result<void>();
}

async::awaitable<Result<std::shared_ptr<const Entry>>> EntryBook::find(std::string key) {
  using Found = Result<std::shared_ptr<const Entry>>;
  if (auto entry = hot_.find(key)) {
    if (has_body(*entry)) co_return entry;
    forget(key);
    co_return Found(nullptr);
  }
  if (!depot_.is_open() || !may_have(key)) co_return Found(nullptr);
  const std::uint64_t generation = hot_.generation(key);
  auto found = co_await async::offload(pool_, [this, key] { return depot_.index().find_entry(key); });
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return Found(nullptr);
  if (!has_body(**found)) {
    // Another one has come to its place meanwhile, perhaps.
    auto newer = hot_.find(key);
    co_return Found(newer && has_body(*newer) ? std::move(newer) : nullptr);
  }
  hot_.put_if(generation, *found);
  co_return found;
}

async::awaitable<Result<bool>> EntryBook::erase(std::string key) {
  if (!depot_.is_open() || !may_have(key)) co_return false;
  forget(key);
  auto erased = co_await committed([this, key](auto done) { return depot_.index().erase_entry(key, std::move(done)); });
  if (!erased) {
    remember(key);  // it is there still
    co_return std::unexpected(erased.error());
  }
  forget(key);  // a find() may have read it just before
  co_return true;
}

async::awaitable<Result<std::vector<Entry>>> EntryBook::list(std::string prefix, std::string after, std::size_t count) {
  if (!depot_.is_open()) co_return std::vector<Entry>();
  co_return co_await async::offload(pool_, [this, prefix = std::move(prefix), after = std::move(after), count] {
    return depot_.index().list_entries(prefix, after, count);
  });
}

async::awaitable<Result<StoreIndex::ErasedEntries>> EntryBook::erase_unpinned(std::vector<std::string> keys) {
  if (!depot_.is_open()) co_return StoreIndex::ErasedEntries();
  const auto gone = std::make_shared<StoreIndex::ErasedEntries>();
  auto erased = co_await committed(
      [this, keys, gone](auto done) { return depot_.index().erase_unpinned_entries(keys, gone, std::move(done)); });
  if (!erased) co_return std::unexpected(erased.error());
  for (const auto& key : gone->keys) forget(key);
  co_return std::move(*gone);
}

async::awaitable<Result<void>> EntryBook::clear_unpinned() {
  if (!depot_.is_open()) co_return Result<void>();
  auto cleared =
      co_await committed([this](auto done) { return depot_.index().erase_all_unpinned_entries(std::move(done)); });
  if (!cleared) co_return cleared;
  hot_.clear();
  co_return co_await async::offload(pool_, [this] { return load(); });
}

bool EntryBook::has_body(const Entry& entry) const {
  return !entry.digest || depot_.catalogue().contains(*entry.digest);
}

bool EntryBook::may_have(const std::string& key) const {
  const std::uint64_t hash = hash_of(key);
  const std::scoped_lock lock(mutex_);
  return keys_.contains(hash);
}

void EntryBook::remember(const std::string& key) {
  const std::uint64_t hash = hash_of(key);
  const std::scoped_lock lock(mutex_);
  keys_.insert(hash);
}

void EntryBook::forget(const std::string& key) {
  hot_.erase(key);
  const std::uint64_t hash = hash_of(key);
  const std::scoped_lock lock(mutex_);
  keys_.erase(hash);
}

std::size_t EntryBook::size() const {
  const std::scoped_lock lock(mutex_);
  return keys_.size();
}

std::size_t EntryBook::memory_bytes() const {
  const std::scoped_lock lock(mutex_);
  return keys_.memory_bytes();
}

}  // namespace propeller::store
