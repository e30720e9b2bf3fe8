#include "stream/delivery_plan.hpp"

#include <algorithm>
#include <ranges>
#include <vector>

#include "base/assert.hpp"

namespace propeller::stream {

DeliveryPlan::DeliveryPlan(Kind kind, std::uint64_t total, std::uint64_t first) : kind_(kind), total_(total) {
  ASSERT(total > 0 && first <= total);
  if (first < total) append(first, total - 1);
  if (first > 0 && kind == Kind::indexed) append(0, first - 1);
}

void DeliveryPlan::append(std::uint64_t first, std::uint64_t last) {
  if (!todo_.empty() && todo_.back().last + 1 == first) {
    todo_.back().last = last;
  } else {
    todo_.push_back({first, last});
  }
}

std::optional<std::uint64_t> DeliveryPlan::peek() const {
  if (todo_.empty()) return std::nullopt;
  return todo_.front().first;
}

std::optional<std::uint64_t> DeliveryPlan::next() {
  const auto index = peek();
  if (!index) return std::nullopt;
  if (todo_.front().first == todo_.front().last) {
    todo_.pop_front();
  } else {
    ++todo_.front().first;
  }
  return index;
}

void DeliveryPlan::join() {
  if (kind_ == Kind::ordered) {
    const bool has_whole_pass = !todo_.empty() && todo_.back() == Range{0, total_ - 1};
    if (!has_whole_pass) todo_.push_back({0, total_ - 1});
    return;
  }
  // What is not planned any more, cyclically from where the plan ends: the sequence just goes on.
  std::vector<Range> planned(todo_.begin(), todo_.end());
  std::ranges::sort(planned, {}, &Range::first);
  std::vector<Range> gone;
  std::uint64_t at = 0;
  for (const auto& range : planned) {
    if (range.first > at) gone.push_back({at, range.first - 1});
    at = std::max(at, range.last + 1);
  }
  if (at < total_) gone.push_back({at, total_ - 1});
  const std::uint64_t end = todo_.empty() ? 0 : todo_.back().last + 1;
  const auto after = std::ranges::partition_point(gone, [&](const Range& range) { return range.last < end; });
  for (const auto& range : std::ranges::subrange(after, gone.end())) append(range.first, range.last);
  for (const auto& range : std::ranges::subrange(gone.begin(), after)) append(range.first, range.last);
}

void DeliveryPlan::give_back(std::span<const std::uint64_t> indices) {
  for (const auto index : indices | std::views::reverse) {
    if (!todo_.empty() && todo_.front().first == index + 1) {
      todo_.front().first = index;
    } else {
      todo_.push_front({index, index});
    }
  }
}

void DeliveryPlan::only(const mqtt::Ranges& wanted) {
  todo_.clear();
  for (const auto& range : wanted.ranges) {
    if (range.first < total_) todo_.push_back({range.first, std::min(range.last, total_ - 1)});
  }
}

std::uint64_t DeliveryPlan::remaining() const {
  std::uint64_t count = 0;
  for (const auto& range : todo_) count += range.last - range.first + 1;
  return count;
}

}  // namespace propeller::stream
