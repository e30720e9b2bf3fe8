#include "store/hash_set.hpp"

#include <utility>

namespace propeller::store {

namespace {

constexpr std::size_t kCellsMin = 16;

}  // namespace

std::size_t HashSet::place_of(std::uint64_t hash) const {
  const std::uint64_t cell = cell_of(hash);
  const std::size_t mask = cells_.size() - 1;
  std::size_t place = home_of(cell);
  while (cells_[place] != kEmpty && cells_[place] != cell) place = (place + 1) & mask;
  return place;
}

bool HashSet::insert(std::uint64_t hash) {
  if ((size_ + 1) * 10 > cells_.size() * 7) grow();
  std::uint64_t& cell = cells_[place_of(hash)];
  if (cell != kEmpty) return false;
  cell = cell_of(hash);
  ++size_;
  return true;
}

bool HashSet::erase(std::uint64_t hash) {
  if (!contains(hash)) return false;
  const std::size_t mask = cells_.size() - 1;
  std::size_t hole = place_of(hash);
  for (std::size_t next = (hole + 1) & mask; cells_[next] != kEmpty; next = (next + 1) & mask) {
    // It may fill the hole unless its home lies behind the hole.
    if (((next - home_of(cells_[next])) & mask) < ((next - hole) & mask)) continue;
    cells_[hole] = cells_[next];
    hole = next;
  }
  cells_[hole] = kEmpty;
  --size_;
  return true;
}

void HashSet::clear() {
  cells_.clear();
  shift_ = 64;
  size_ = 0;
}

void HashSet::grow() {
  const auto old = std::move(cells_);
  cells_.assign(old.empty() ? kCellsMin : old.size() * 2, kEmpty);
  shift_ = static_cast<unsigned>(64 - __builtin_ctzll(cells_.size()));
  size_ = 0;
  for (const std::uint64_t cell : old) {
    if (cell == kEmpty) continue;
    cells_[place_of(cell)] = cell;
    ++size_;
  }
}

}  // namespace propeller::store
