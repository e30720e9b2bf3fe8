#include "store/catalogue.hpp"

#include <algorithm>

#include "store/store_options.hpp"

namespace propeller::store {

Catalogue::Policy Catalogue::make_policy(PolicyKind kind, std::uint64_t bytes_max) {
  switch (kind) {
    case PolicyKind::sieve: return Sieve(bytes_max);
    case PolicyKind::lru: return Lru(bytes_max);
    case PolicyKind::s3fifo: break;
  }
  return S3Fifo(bytes_max);
}

Catalogue::Catalogue(PolicyKind policy, Limits limits)
    : limits_(limits), policy_(make_policy(policy, limits.bytes_max)) {}

bool Catalogue::contains(const BlobDigest& digest) const {
  const std::scoped_lock lock(mutex_);
  return table_.find(digest).has_value();
}

std::optional<BlobFacts> Catalogue::use(const BlobDigest& digest, std::uint32_t now) {
  const std::scoped_lock lock(mutex_);
  const auto slot = table_.find(digest);
  if (!slot) return std::nullopt;
  BlobRecord& record = table_.at(*slot);
  record.used = ++use_count_;
  record.used_at = now;
  record.is_dirty = true;
  std::visit([&](auto& policy) { policy.touch(*slot); }, policy_);
  return BlobFacts{.size = record.size, .changed_ns = record.changed_ns, .is_pinned = record.is_pinned};
}

bool Catalogue::reserve(const Claim& claim, std::vector<BlobDigest>& victims) {
  const std::scoped_lock lock(mutex_);
  // What cannot go: drafts and pinned blobs. Asked first, so that nobody goes in vain.
  const std::uint64_t fixed = reserved_bytes_ + pinned_bytes_;
  if (fixed > limits_.bytes_max || claim.bytes > limits_.bytes_max - fixed) return false;
  const auto is_full = [&] { return blob_bytes_ + reserved_bytes_ + claim.bytes > limits_.bytes_max; };
  if (is_full() && claim.is_newcomer) {
    const bool is_admitted = std::visit([&](auto& policy) { return policy.admits(claim.name, claim.bytes); }, policy_);
    if (!is_admitted) return false;
  }
  while (is_full()) {
    if (!evict_one(victims)) return false;
  }
  reserved_bytes_ += claim.bytes;
  return true;
}

void Catalogue::release(std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  reserved_bytes_ -= bytes;
}

std::uint64_t Catalogue::evict(std::uint64_t bytes, std::vector<BlobDigest>& victims) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t before = blob_bytes_;
  while (before - blob_bytes_ < bytes) {
    if (!evict_one(victims)) break;
  }
  return before - blob_bytes_;
}

bool Catalogue::evict_one(std::vector<BlobDigest>& victims) {
  const auto slot = std::visit([](auto& policy) { return policy.victim(); }, policy_);
  if (!slot) return false;
  victims.push_back(table_.digest_of(*slot));
  forget(*slot);
  return true;
}

void Catalogue::forget(Slot slot) {
  const BlobRecord& record = table_.at(slot);
  blob_bytes_ -= record.size;
  if (record.is_pinned) {
    pinned_bytes_ -= record.size;
    --pins_;
  }
  table_.erase(slot);
}

void Catalogue::add(const BlobRow& row, std::uint64_t reserved, std::vector<BlobDigest>& victims) {
  const std::scoped_lock lock(mutex_);
  reserved_bytes_ -= reserved;
  if (const auto old = table_.find(row.digest)) {
    table_.at(*old).changed_ns = row.changed_ns;
    return;
  }
  while (table_.size() >= limits_.blobs_max) {
    if (!evict_one(victims)) break;
  }
  put(row, true);
}

void Catalogue::load(const BlobRow& row) {
  const std::scoped_lock lock(mutex_);
  if (!table_.find(row.digest)) put(row, false);
}

void Catalogue::put(const BlobRow& row, bool is_confirmed) {
  const Slot slot = table_.insert(row.digest);
  BlobRecord& record = table_.at(slot);
  record.size = row.size;
  record.changed_ns = row.changed_ns;
  record.is_pinned = row.is_pinned;
  record.used_at = row.used_at;
  record.is_confirmed = is_confirmed;
  record.used = row.used != 0 ? row.used : ++use_count_;
  use_count_ = std::max(use_count_, record.used);
  blob_bytes_ += row.size;
  if (row.is_pinned) {
    pinned_bytes_ += row.size;
    ++pins_;
    return;
  }
  std::visit([&](auto& policy) { policy.insert(slot, row.size, row.digest.prefix(), row.uses); }, policy_);
}

Catalogue::Confirmed Catalogue::confirm(const BlobDigest& digest, std::uint64_t size, std::int64_t changed_ns) {
  const std::scoped_lock lock(mutex_);
  const auto slot = table_.find(digest);
  if (!slot) return Confirmed::unknown;
  BlobRecord& record = table_.at(*slot);
  if (record.size != size) return Confirmed::wrong_size;
  if (record.changed_ns != changed_ns) record.changed_ns = 0;
  record.is_confirmed = true;
  return Confirmed::good;
}

std::vector<BlobDigest> Catalogue::unconfirmed() const {
  const std::scoped_lock lock(mutex_);
  std::vector<BlobDigest> digests;
  for (Slot slot = 0; slot < table_.slots_end(); ++slot) {
    if (table_.at(slot).is_live && !table_.at(slot).is_confirmed) digests.push_back(table_.digest_of(slot));
  }
  return digests;
}

bool Catalogue::remove(const BlobDigest& digest) {
  const std::scoped_lock lock(mutex_);
  const auto slot = table_.find(digest);
  if (!slot) return false;
  std::visit([&](auto& policy) { policy.erase(*slot); }, policy_);
  forget(*slot);
  return true;
}

bool Catalogue::set_changed(const BlobDigest& digest, std::int64_t changed_ns) {
  const std::scoped_lock lock(mutex_);
  const auto slot = table_.find(digest);
  if (slot) table_.at(*slot).changed_ns = changed_ns;
  return slot.has_value();
}

Catalogue::Pinned Catalogue::pin(const BlobDigest& digest, bool is_pinned) {
  const std::scoped_lock lock(mutex_);
  const auto slot = table_.find(digest);
  if (!slot) return Pinned::not_there;
  BlobRecord& record = table_.at(*slot);
  if (record.is_pinned == is_pinned) return Pinned::done;
  const std::uint64_t room = pinned_bytes_max() - std::min(pinned_bytes_, pinned_bytes_max());
  if (is_pinned && (pins_ >= kPinsMax || record.size > room)) return Pinned::too_much;
  record.is_pinned = is_pinned;
  if (is_pinned) {
    pinned_bytes_ += record.size;
    ++pins_;
    std::visit([&](auto& policy) { policy.erase(*slot); }, policy_);
  } else {
    pinned_bytes_ -= record.size;
    --pins_;
    std::visit([&](auto& policy) { policy.insert(*slot, record.size, digest.prefix(), 1); }, policy_);
  }
  return Pinned::done;
}

std::vector<BlobRow> Catalogue::pinned() const {
  const std::scoped_lock lock(mutex_);
  std::vector<BlobRow> rows;
  if (pins_ == 0) return rows;
  for (Slot slot = 0; slot < table_.slots_end(); ++slot) {
    if (table_.at(slot).is_live && table_.at(slot).is_pinned) rows.push_back(row_of(slot));
  }
  return rows;
}

Catalogue::Page Catalogue::page(Slot from) const {
  const std::scoped_lock lock(mutex_);
  const Slot end = std::min(table_.slots_end(), from + kDirtyScan);
  Page page{.digests = {}, .next = end};
  for (Slot slot = from; slot < end; ++slot) {
    if (table_.at(slot).is_live) page.digests.push_back(table_.digest_of(slot));
  }
  return page;
}

BlobRow Catalogue::row_of(Slot slot) const {
  const BlobRecord& record = table_.at(slot);
  return {.digest = table_.digest_of(slot),
          .size = record.size,
          .changed_ns = record.changed_ns,
          .used = record.used,
          .uses = std::visit([&](const auto& policy) { return policy.uses(slot); }, policy_),
          .is_pinned = record.is_pinned,
          .used_at = record.used_at};
}

std::optional<std::vector<BlobRow>> Catalogue::take_dirty() {
  const std::scoped_lock lock(mutex_);
  if (dirty_from_ >= table_.slots_end()) {
    dirty_from_ = 0;
    return std::nullopt;
  }
  std::vector<BlobRow> rows;
  const Slot end = std::min(table_.slots_end(), dirty_from_ + kDirtyScan);
  for (; dirty_from_ < end; ++dirty_from_) {
    BlobRecord& record = table_.at(dirty_from_);
    if (!record.is_live || !record.is_dirty) continue;
    record.is_dirty = false;
    rows.push_back(row_of(dirty_from_));
  }
  return rows;
}

std::vector<BlobDigest> Catalogue::unpinned() const {
  const std::scoped_lock lock(mutex_);
  std::vector<BlobDigest> digests;
  for (Slot slot = 0; slot < table_.slots_end(); ++slot) {
    if (table_.at(slot).is_live && !table_.at(slot).is_pinned) digests.push_back(table_.digest_of(slot));
  }
  return digests;
}

std::optional<BlobRow> Catalogue::row(const BlobDigest& digest) const {
  const std::scoped_lock lock(mutex_);
  const auto slot = table_.find(digest);
  return slot ? std::optional(row_of(*slot)) : std::nullopt;
}

std::uint64_t Catalogue::unpinned_bytes() const {
  const std::scoped_lock lock(mutex_);
  return blob_bytes_ - pinned_bytes_;
}

std::uint64_t Catalogue::bytes() const {
  const std::scoped_lock lock(mutex_);
  return blob_bytes_ + reserved_bytes_;
}

std::size_t Catalogue::size() const {
  const std::scoped_lock lock(mutex_);
  return table_.size();
}

std::size_t Catalogue::memory_bytes() const {
  const std::scoped_lock lock(mutex_);
  return table_.memory_bytes() + table_.slots_end() * sizeof(PolicyNode);
}

}  // namespace propeller::store
