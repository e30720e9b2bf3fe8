#include "store/blob_table.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace propeller::store {

namespace {

constexpr std::size_t kCellsMin = 16;
constexpr std::size_t kHalfBytes = 32;

}  // namespace

std::uint64_t BlobTable::prefix_of(Slot slot) const {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | records_[slot].name[i];
  return value;
}

bool BlobTable::is_at(Slot slot, const BlobDigest& digest) const {
  const BlobRecord& record = records_[slot];
  if (record.algorithm != digest.algorithm()) return false;
  if (!std::ranges::equal(record.name, digest.bytes().first(kHalfBytes))) return false;
  return record.algorithm == DigestAlgorithm::sha256 ||
         std::ranges::equal(second_halves_.at(slot), digest.bytes().subspan(kHalfBytes));
}

std::optional<Slot> BlobTable::find(const BlobDigest& digest) const {
  if (cells_.empty()) return std::nullopt;
  const std::size_t mask = cells_.size() - 1;
  for (std::size_t cell = home_of(digest.prefix()); cells_[cell] != kNoSlot; cell = (cell + 1) & mask) {
    if (is_at(cells_[cell], digest)) return cells_[cell];
  }
  return std::nullopt;
}

Slot BlobTable::insert(const BlobDigest& digest) {
  if ((size_ + 1) * 10 > cells_.size() * 7) grow();
  Slot slot = slots_end();
  if (free_.empty()) {
    ASSERT(records_.size() < kNoSlot);
    records_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  BlobRecord& record = records_[slot] = {.algorithm = digest.algorithm(), .is_live = true};
  std::ranges::copy(digest.bytes().first(kHalfBytes), record.name.begin());
  if (record.algorithm == DigestAlgorithm::sha512) {
    std::ranges::copy(digest.bytes().subspan(kHalfBytes), second_halves_[slot].begin());
  }
  place(slot);
  ++size_;
  return slot;
}

void BlobTable::erase(Slot slot) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t hole = home_of(prefix_of(slot));
  while (cells_[hole] != slot) hole = (hole + 1) & mask;
  for (std::size_t next = (hole + 1) & mask; cells_[next] != kNoSlot; next = (next + 1) & mask) {
    // It may fill the hole unless its home lies behind the hole.
    if (((next - home_of(prefix_of(cells_[next]))) & mask) < ((next - hole) & mask)) continue;
    cells_[hole] = cells_[next];
    hole = next;
  }
  cells_[hole] = kNoSlot;
  if (records_[slot].algorithm == DigestAlgorithm::sha512) second_halves_.erase(slot);
  records_[slot] = {};
  free_.push_back(slot);
  --size_;
}

BlobDigest BlobTable::digest_of(Slot slot) const {
  const BlobRecord& record = records_[slot];
  std::array<std::uint8_t, BlobDigest::kBytesMax> bytes{};
  std::ranges::copy(record.name, bytes.begin());
  std::size_t count = kHalfBytes;
  if (record.algorithm == DigestAlgorithm::sha512) {
    std::ranges::copy(second_halves_.at(slot), bytes.begin() + kHalfBytes);
    count += kHalfBytes;
  }
  return *BlobDigest::from_bytes(record.algorithm, std::span(bytes).first(count));
}

std::size_t BlobTable::memory_bytes() const {
  constexpr std::size_t kMapNodeBytes = 64;
  return records_.size() * sizeof(BlobRecord) + (cells_.capacity() + free_.capacity()) * sizeof(Slot) +
         second_halves_.size() * (sizeof(Half) + kMapNodeBytes);
}

void BlobTable::place(Slot slot) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t cell = home_of(prefix_of(slot));
  while (cells_[cell] != kNoSlot) cell = (cell + 1) & mask;
  cells_[cell] = slot;
}

void BlobTable::grow() {
  cells_.assign(cells_.empty() ? kCellsMin : cells_.size() * 2, kNoSlot);
  shift_ = static_cast<unsigned>(64 - __builtin_ctzll(cells_.size()));
  for (Slot slot = 0; slot < slots_end(); ++slot) {
    if (records_[slot].is_live) place(slot);
  }
}

}  // namespace propeller::store
