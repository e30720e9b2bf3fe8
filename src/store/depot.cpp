#include "store/depot.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "observe/log.hpp"

namespace propeller::store {

using observe::kv;

namespace {

constexpr std::uint64_t kGrowBytes = base::kMiB;
constexpr int kFullDiskTries = 4;
constexpr std::size_t kStraysMax = 1'000'000;
constexpr int kLooksMax = 8;

std::uint32_t unix_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<std::uint32_t>(now.tv_sec);
}

}  // namespace

Depot::Depot(StoreOptions options, Probe& probe)
    : options_(std::move(options)),
      probe_(probe),
      directory_(options_.directory),
      catalogue_(options_.policy, {.bytes_max = options_.size_bytes_max, .blobs_max = options_.entries_max}) {}

Result<void> Depot::open() {
  const auto swept = directory_.open();
  if (!swept) return std::unexpected(swept.error());
  probe_.swept.add(*swept);
  const auto index = index_.open(directory_.index_path());
  if (!index) return std::unexpected(index.error());
  if (index->was_lost) observe::log_warn("the store's index was damaged and begins anew");
  if (auto loaded = load(); !loaded) return loaded;
  is_open_ = true;
  is_storing_ = true;
  show();
  return {};
}

Result<void> Depot::load() {
  auto read = index_.for_each_blob([this](const BlobRow& row) { catalogue_.load(row); });
  if (!read) return read;
  std::vector<BlobDigest> damaged;
  directory_.for_each_blob([&](const BlobDigest& digest, std::uint64_t size, std::int64_t changed_ns) {
    switch (catalogue_.confirm(digest, size, changed_ns)) {
      case Catalogue::Confirmed::good: break;
      case Catalogue::Confirmed::wrong_size: damaged.push_back(digest); break;
      case Catalogue::Confirmed::unknown:
        if (strays_.size() < kStraysMax) strays_.push_back(digest);
        break;
    }
  });
  for (const BlobDigest& digest : damaged) drop_damaged(digest);
  const auto missing = catalogue_.unconfirmed();
  for (const BlobDigest& digest : missing) catalogue_.remove(digest);
  if (!missing.empty()) static_cast<void>(index_.erase_blobs(missing));
  // The limit may be lower than last time.
  std::vector<BlobDigest> victims;
  if (const std::uint64_t bytes = catalogue_.bytes(); bytes > options_.size_bytes_max) {
    catalogue_.evict(bytes - options_.size_bytes_max, victims);
  }
  remove_files(victims);
  return {};
}

Depot::~Depot() {
  std::unique_lock lock(drafts_mutex_);
  drafts_gone_.wait(lock, [this] { return drafts_ == 0; });
}

void Depot::close() {
  if (!is_open_) return;
  flush_recency();
  index_.close();
  is_open_ = false;
  is_storing_ = false;
}

std::unique_ptr<Draft> Depot::create_draft(const std::optional<BlobDigest>& digest,
                                           std::optional<std::uint64_t> length) {
  if (!is_storing()) return nullptr;
  const std::uint64_t bytes = length.value_or(0);
  std::vector<BlobDigest> victims;
  const bool is_kept =
      bytes <= options_.object_bytes_max.value_or(options_.size_bytes_max) &&
      catalogue_.reserve({.bytes = bytes, .name = digest ? digest->prefix() : 0, .is_newcomer = digest.has_value()},
                         victims);
  remove_files(victims);
  if (!is_kept || !keep_floor(bytes)) {
    if (is_kept) catalogue_.release(bytes);
    probe_.refused.add();
    return nullptr;
  }
  auto name = directory_.create_draft();
  if (name) return std::make_unique<Draft>(*this, std::move(*name), bytes);
  catalogue_.release(bytes);
  disk_failed(name.error());
  return nullptr;
}

bool Depot::keep_floor(std::uint64_t bytes) {
  const auto free = directory_.free_bytes();
  if (!free) return true;  // not known on this file system
  const std::uint64_t wanted = options_.free_bytes_min + bytes;
  if (*free >= wanted) return true;
  // For what will not fit anyway nobody goes; for the floor everybody may have to.
  const bool may_fit = *free + catalogue_.unpinned_bytes() >= wanted;
  const std::uint64_t needed = may_fit ? wanted : options_.free_bytes_min;
  std::vector<BlobDigest> victims;
  const std::uint64_t gained = needed > *free ? catalogue_.evict(needed - *free, victims) : 0;
  remove_files(victims);
  if (*free + gained >= wanted) return true;
  if (!is_shortage_said_.exchange(true)) {
    observe::log_warn("the disk has too little room left; what is asked for is passed on",
                      {kv("dir", options_.directory.native()), kv("free", *free), kv("needed", wanted)});
  }
  return false;
}

void Depot::remove_files(const std::vector<BlobDigest>& victims) {
  if (victims.empty()) return;
  for (const BlobDigest& digest : victims) remove_file(digest);
  probe_.evicted.add(victims.size());
  static_cast<void>(index_.erase_blobs(victims, [this](std::string_view key) {
    const std::scoped_lock lock(on_evicted_mutex_);
    if (on_evicted_) on_evicted_(key);
  }));
  show();
}

void Depot::watch_evictions(OnEvicted on_evicted) {
  const std::scoped_lock lock(on_evicted_mutex_);
  on_evicted_ = std::move(on_evicted);
}

void Depot::disk_failed(DiskFailure failure) {
  probe_.disk_failures.add();
  if (!failure.is_of_disk() || !is_storing_.exchange(false)) return;
  probe_.storing.set(0);
  observe::log_warn(
      "the disk refuses to store; what is asked for is passed on",
      {kv("dir", options_.directory.native()), kv("reason", directory_.error_of(failure, "write to").detail)});
}

void Depot::try_storing_again() {
  is_shortage_said_ = false;
  if (!is_open_ || is_storing()) return;
  if (!directory_.try_to_write()) return;
  is_storing_ = true;
  probe_.storing.set(1);
  observe::log_info("the disk stores again", {kv("dir", options_.directory.native())});
}

Depot::Opening Depot::open_blob(const BlobDigest& digest) {
  const auto facts = catalogue_.use(digest, unix_now());
  if (!facts) return {};
  const auto is_as_known = [&](const std::optional<FileState>& state) {
    return state && state->is_linked && state->size == facts->size && state->changed_ns == facts->changed_ns;
  };
  if (auto blob = hot_.find(digest)) {
    if (is_as_known(state_of(blob->fd()))) return {.blob = std::move(blob), .doubtful = nullptr};
    hot_.erase(digest);
  }
  base::FileDescriptor file;
  std::string bytes;
  std::optional<FileState> state;
  for (int looks = 1; looks <= kLooksMax; ++looks) {
    file = directory_.open_blob(digest);
    if (!file.is_open() && !LayoutDirectory::is_missing(errno)) return {};
    // The bytes before the state: what is changed while we read is noticed.
    if (facts->size <= HotBlobs::kBlobBytesMax) bytes = read_start(file.get(), facts->size);
    state = state_of(file.get());
    // The same content has come once more, and taken the name from this file between the two looks: there it is.
    if (!state || state->is_linked) break;
  }
  if (!state || !state->is_linked || state->size != facts->size) {
    // Evicted in this moment, or somebody has been at it.
    if (!catalogue_.contains(digest)) return {};
    drop_damaged(digest);
    return {};
  }
  if (!is_as_known(state))
    return {.blob = nullptr, .doubtful = std::make_shared<const OpenBlob>(std::move(file), digest, facts->size)};
  const bool is_hot = !bytes.empty() && bytes.size() == facts->size;
  if (!is_hot) bytes.clear();
  auto blob = std::make_shared<const OpenBlob>(std::move(file), digest, facts->size, std::move(bytes));
  if (is_hot) hot_.put(blob);
  return {.blob = std::move(blob), .doubtful = nullptr};
}

bool Depot::settle(const OpenBlob& blob, const std::stop_token& stop) {
  // The time before the bytes: what is changed while we read stays in doubt.
  const auto state = state_of(blob.fd());
  const auto digest = state ? hash_file(blob.fd(), blob.digest().algorithm(), stop) : std::nullopt;
  if (stop.stop_requested()) return false;
  if (!digest || *digest != blob.digest()) {
    drop_damaged(blob.digest());
    return false;
  }
  if (!catalogue_.set_changed(blob.digest(), state->changed_ns)) return true;
  if (const auto row = catalogue_.row(blob.digest())) static_cast<void>(index_.put_blobs({*row}));
  return true;
}

void Depot::remove_file(const BlobDigest& digest) {
  directory_.remove_blob(digest);
  hot_.erase(digest);
}

void Depot::drop_damaged(const BlobDigest& digest) {
  if (!catalogue_.remove(digest)) return;
  remove_file(digest);
  static_cast<void>(index_.erase_blobs({digest}));
  probe_.damaged.add();
  show();
  observe::log_warn("a damaged blob was dropped", {kv("digest", digest.short_hex())});
}

void Depot::remove(const BlobDigest& digest) {
  if (!catalogue_.remove(digest)) return;
  remove_file(digest);
  static_cast<void>(index_.erase_blobs({digest}));
  show();
}

void Depot::flush_recency() {
  while (auto rows = catalogue_.take_dirty()) {
    if (!rows->empty()) static_cast<void>(index_.put_blobs(std::move(*rows)));
  }
}

void Depot::settle_strays(const std::stop_token& stop) {
  constexpr std::uint64_t kPieceBytes = 16 * base::kMiB;
  for (const BlobDigest& digest : strays_) {
    auto check = open_stray(digest);
    if (!check) continue;
    auto state = BlobCheck::State::reading;
    while (state == BlobCheck::State::reading && !stop.stop_requested()) state = check->go_on(kPieceBytes);
    if (stop.stop_requested()) return;
    settle_stray(*check, state);
  }
  strays_ = {};
  show();
}

void Depot::show() {
  probe_.bytes.set(static_cast<std::int64_t>(catalogue_.bytes()));
  probe_.blobs.set(static_cast<std::int64_t>(catalogue_.size()));
  probe_.storing.set(is_storing() ? 1 : 0);
}

Draft::Draft(Depot& depot, DraftName name, std::uint64_t reserved)
    : depot_(depot), name_(std::move(name)), reserved_(reserved) {
  const std::scoped_lock lock(depot_.drafts_mutex_);
  ++depot_.drafts_;
}

Draft::~Draft() {
  if (!is_published_) {
    depot_.directory_.discard_draft(name_);
    depot_.catalogue_.release(reserved_);
    depot_.show();
  }
  const std::scoped_lock lock(depot_.drafts_mutex_);
  --depot_.drafts_;
  depot_.drafts_gone_.notify_all();  // under the lock: the depot may go as soon as it is let go
}

bool Draft::make_room(std::uint64_t end) {
  if (end > depot_.options_.object_bytes_max.value_or(depot_.options_.size_bytes_max)) return false;
  if (end > reserved_) {
    const std::uint64_t more = std::max(end - reserved_, kGrowBytes);
    std::vector<BlobDigest> victims;
    // Room in large steps, or as much as is needed when that is too much.
    std::uint64_t got = more;
    bool is_had = depot_.catalogue_.reserve({.bytes = more, .is_newcomer = false}, victims);
    if (!is_had) {
      got = end - reserved_;
      is_had = depot_.catalogue_.reserve({.bytes = got, .is_newcomer = false}, victims);
    }
    depot_.remove_files(victims);
    if (!is_had) return false;
    reserved_ += got;
  }
  if (end < floor_checked_ + Depot::kFloorCheckBytes) return true;
  floor_checked_ = end;
  return depot_.keep_floor(0);
}

bool Draft::write(std::string_view bytes, std::uint64_t offset) {
  if (!depot_.is_storing()) return false;
  if (!make_room(offset + bytes.size())) {
    depot_.probe_.refused.add();
    return false;
  }
  for (int round = 0;; ++round) {
    const auto written = write_at(fd(), bytes, offset);
    if (written) return true;
    const bool is_full = written.error().number == ENOSPC || written.error().number == EDQUOT;
    std::vector<BlobDigest> victims;
    if (is_full && round < kFullDiskTries) depot_.catalogue_.evict(bytes.size(), victims);
    depot_.remove_files(victims);
    if (!victims.empty()) continue;
    depot_.disk_failed(written.error());
    return false;
  }
}

std::shared_ptr<const OpenBlob> Draft::publish(const BlobDigest& digest, std::uint64_t size) {
  const auto changed_ns = depot_.directory_.publish(name_, digest);
  if (!changed_ns) {
    depot_.disk_failed(changed_ns.error());
    return nullptr;
  }
  is_published_ = true;
  std::vector<BlobDigest> victims;
  const BlobRow row{.digest = digest, .size = size, .changed_ns = *changed_ns};
  depot_.catalogue_.add(row, reserved_, victims);
  if (const auto added = depot_.catalogue_.row(digest)) static_cast<void>(depot_.index_.put_blobs({*added}));
  depot_.remove_files(victims);
  // Who erased the same content between the file's name and its row took the name with it.
  if (!depot_.directory_.open_blob(digest).is_open() && LayoutDirectory::is_missing(errno)) {
    depot_.remove(digest);
    return nullptr;
  }
  depot_.probe_.stored.add();
  depot_.probe_.stored_bytes.add(size);
  depot_.show();
  return std::make_shared<const OpenBlob>(base::FileDescriptor(::fcntl(fd(), F_DUPFD_CLOEXEC, 0)), digest, size);
}

}  // namespace propeller::store
