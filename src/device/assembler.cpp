#include "device/assembler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace propeller::device {

namespace {

std::string too_large(std::uint64_t image_size_max) {
  return fmt::format("the image is larger than the {} that are allowed (PROXY_MAX_IMAGE_SIZE)",
                     base::format_bytes(image_size_max));
}

// total_chunks comes from outside: 2^60 of them must neither overflow nor be allocated for.
bool is_within(std::uint64_t chunk_size, std::uint64_t total_chunks, std::uint64_t image_size_max) {
  return total_chunks <= Assembler::kChunksMax && total_chunks - 1 < image_size_max &&
         (total_chunks == 1 || chunk_size <= (image_size_max - 1) / (total_chunks - 1));
}

}  // namespace

Result<void> Assembler::expect(const ChunkPlan& plan) {
  if (plan.chunk_size == 0 || plan.total_chunks == 0) {
    return fail(Code::bad_request, Origin::upstream, "the image is announced without chunks");
  }
  if (!is_within(plan.chunk_size, plan.total_chunks, image_size_max_) ||
      plan.image_size.value_or(0) > image_size_max_) {
    return fail(Code::too_large, Origin::upstream, too_large(image_size_max_));
  }
  const std::uint64_t before_last = (plan.total_chunks - 1) * plan.chunk_size;
  if (plan.image_size && (*plan.image_size <= before_last || *plan.image_size - before_last > plan.chunk_size)) {
    return fail(
        Code::bad_request, Origin::upstream,
        fmt::format("{} bytes are not {} chunks of {} bytes", *plan.image_size, plan.total_chunks, plan.chunk_size));
  }
  restart();
  plan_ = plan;
  received_.assign(plan.total_chunks, false);
  return {};
}

void Assembler::restart() {
  plan_ = {};
  received_.clear();
  received_count_ = received_bytes_ = in_order_ = 0;
  held_last_.reset();
}

void Assembler::mark_received(const mqtt::Ranges& missing) {
  ASSERT(plan_.chunk_size > 0 && received_count_ == 0);
  const bool is_size_known = plan_.image_size.has_value();
  auto gap = missing.ranges.begin();
  for (std::uint64_t index = 0; index < plan_.total_chunks; ++index) {
    while (gap != missing.ranges.end() && gap->last < index) ++gap;
    if (gap != missing.ranges.end() && gap->first <= index) continue;
    // Without the size, how much of the last chunk there was is not known: it has to come again.
    if (is_last(index) && !is_size_known) continue;
    count(index, size_of(index));
  }
}

Result<Assembler::Verdict> Assembler::add(std::uint64_t index, std::uint64_t total_chunks,
                                          std::span<const std::byte> bytes) {
  if (bytes.empty()) return drop("a chunk was empty");
  if (index >= total_chunks) return drop(fmt::format("chunk {} of {} cannot be", index, total_chunks));
  if (plan_.total_chunks == 0) return begin(index, total_chunks, bytes);
  if (total_chunks != plan_.total_chunks) {
    return drop(
        fmt::format("a chunk of a set of {} came while a set of {} is received", total_chunks, plan_.total_chunks));
  }
  if (plan_.chunk_size == 0 && !is_last(index)) {
    if (!is_within(bytes.size(), total_chunks, image_size_max_)) return drop(too_large(image_size_max_));
    plan_.chunk_size = bytes.size();
    received_.assign(plan_.total_chunks, false);
    const auto last = std::move(held_last_);
    held_last_.reset();
    if (last->size() <= plan_.chunk_size) {
      if (auto stored = store(plan_.total_chunks - 1, *last); !stored) return stored;
    }
  }
  if (held_last_ || received_[index]) return Verdict::duplicate;
  return store(index, bytes);
}

Result<Assembler::Verdict> Assembler::begin(std::uint64_t index, std::uint64_t total_chunks,
                                            std::span<const std::byte> bytes) {
  const bool is_only_last = index + 1 == total_chunks && total_chunks > 1;
  if (!is_within(is_only_last ? 1 : bytes.size(), total_chunks, image_size_max_) || bytes.size() > image_size_max_) {
    return drop(too_large(image_size_max_));
  }
  plan_.total_chunks = total_chunks;
  if (is_only_last) {
    held_last_.emplace(bytes.begin(), bytes.end());
    return Verdict::stored;
  }
  plan_.chunk_size = bytes.size();
  received_.assign(total_chunks, false);
  return store(index, bytes);
}

std::uint64_t Assembler::size_of(std::uint64_t index) const {
  return is_last(index) && plan_.image_size ? *plan_.image_size - index * plan_.chunk_size : plan_.chunk_size;
}

Result<Assembler::Verdict> Assembler::store(std::uint64_t index, std::span<const std::byte> bytes) {
  const std::uint64_t expected = size_of(index);
  const bool is_right = is_last(index) && !plan_.image_size ? bytes.size() <= expected : bytes.size() == expected;
  if (!is_right) return drop(fmt::format("chunk {} has {} bytes in a set with {}", index, bytes.size(), expected));
  const std::uint64_t offset = index * plan_.chunk_size;
  if (offset + bytes.size() > image_size_max_) return drop(too_large(image_size_max_));
  if (auto written = file_.write(offset, bytes); !written) return std::unexpected(written.error());
  if (is_last(index)) plan_.image_size = offset + bytes.size();
  count(index, bytes.size());
  return Verdict::stored;
}

void Assembler::count(std::uint64_t index, std::uint64_t bytes) {
  received_[index] = true;
  ++received_count_;
  received_bytes_ += bytes;
  while (in_order_ < plan_.total_chunks && received_[in_order_]) ++in_order_;
}

Assembler::Verdict Assembler::drop(std::string why) {
  refusal_ = std::move(why);
  return Verdict::dropped;
}

mqtt::Ranges Assembler::missing() const {
  mqtt::Ranges missing;
  for (std::uint64_t index = in_order_; index < plan_.total_chunks; ++index) {
    if (index < received_.size() && received_[index]) continue;
    auto& ranges = missing.ranges;
    if (!ranges.empty() && (ranges.back().last + 1 == index || ranges.size() == kMissingRangesMax)) {
      ranges.back().last = index;
    } else {
      ranges.push_back({index, index});
    }
  }
  return missing;
}

}  // namespace propeller::device
