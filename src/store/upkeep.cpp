#include "store/upkeep.hpp"

#include <algorithm>

#include "store/depot.hpp"

namespace propeller::store {

StoreCheck::StoreCheck(Depot& depot) : depot_(depot) { progress_.blobs_total = depot.catalogue().size(); }

bool StoreCheck::take_next() {
  while (waiting_.empty()) {
    auto page = depot_.catalogue().page(next_);
    if (page.next <= next_) return false;
    next_ = page.next;
    waiting_ = std::move(page.digests);
  }
  const auto digest = waiting_.back();
  waiting_.pop_back();
  current_ = depot_.begin_check(digest);
  return true;
}

CheckProgress StoreCheck::step() {
  progress_.damaged_last.clear();
  std::uint64_t left = kStepBytesMax;
  for (std::size_t blobs = 0; blobs < kStepBlobsMax && left > 0;) {
    if (!current_ && !take_next()) {
      progress_.is_done = true;
      break;
    }
    if (!current_) continue;  // gone meanwhile
    const auto before = current_->bytes();
    const auto state = current_->go_on(left);
    const auto read = current_->bytes() - before;
    progress_.bytes += read;
    left -= std::min(left, read);
    if (state == BlobCheck::State::reading) continue;
    const bool is_dropped = depot_.end_check(*current_, state) == Depot::Ended::dropped;
    if (is_dropped) {
      ++progress_.damaged;
      progress_.damaged_last.push_back(current_->digest());
    }
    ++progress_.blobs;
    ++blobs;
    current_.reset();
  }
  return progress_;
}

Result<SweepProgress> StoreSweep::step() {
  switch (phase_) {
    case Phase::limits: keep_limits(); break;
    case Phase::strays: settle_some(); break;
    case Phase::entries:
      if (auto dropped = drop_orphans(); !dropped) return std::unexpected(dropped.error());
      break;
    case Phase::unnamed:
      if (auto dropped = drop_unnamed(); !dropped) return std::unexpected(dropped.error());
      break;
    case Phase::done: break;
  }
  progress_.is_done = phase_ == Phase::done;
  return progress_;
}

void StoreSweep::keep_limits() {
  const auto freed = depot_.keep_limits();
  progress_.evicted = freed.blobs;
  progress_.bytes += freed.bytes;
  find_strays();
  phase_ = Phase::strays;
}

void StoreSweep::find_strays() {
  strays_ = depot_.find_strays(kStraysMax);
  may_be_more_ = strays_.size() == kStraysMax;
}

void StoreSweep::settle_some() {
  std::uint64_t left = StoreCheck::kStepBytesMax;
  for (std::size_t files = 0; files < StoreCheck::kStepBlobsMax && left > 0;) {
    if (!current_) {
      if (strays_.empty()) {
        if (may_be_more_) return find_strays();
        phase_ = Phase::entries;
        return;
      }
      current_ = depot_.open_stray(strays_.back());
      strays_.pop_back();
      if (!current_) {
        // Of what cannot be opened there will always be more.
        may_be_more_ = false;
        continue;
      }
    }
    const auto before = current_->bytes();
    const auto state = current_->go_on(left);
    left -= std::min(left, current_->bytes() - before);
    if (state == BlobCheck::State::reading) return;
    ++files;
    if (depot_.settle_stray(*current_, state)) {
      ++progress_.adopted;
    } else if (depot_.open_stray(current_->digest())) {
      // It cannot be removed, and would be found again and again.
      may_be_more_ = false;
    } else {
      ++progress_.removed;
      progress_.bytes += current_->bytes();
    }
    current_.reset();
  }
}

Result<void> StoreSweep::drop_orphans() {
  const auto dropped = depot_.drop_orphans();
  if (!dropped) return std::unexpected(dropped.error());
  progress_.entries = *dropped;
  phase_ = takes_unnamed_ ? Phase::unnamed : Phase::done;
  return {};
}

Result<void> StoreSweep::drop_unnamed() {
  auto rows = depot_.index().list_unnamed(after_, StoreCheck::kStepBlobsMax);
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) phase_ = Phase::done;
  for (const auto& row : *rows) {
    after_ = row.digest;
    const auto now = depot_.catalogue().row(row.digest);
    if (!now || now->is_pinned) continue;
    depot_.remove(row.digest);
    ++progress_.unnamed;
    progress_.bytes += now->size;
  }
  return {};
}

}  // namespace propeller::store
