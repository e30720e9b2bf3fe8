#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "device/part_file.hpp"
#include "mqtt/ranges.hpp"

namespace propeller::device {

/// How an image is cut. Every chunk but the last holds `chunk_size` bytes.
struct ChunkPlan {
  std::uint64_t chunk_size = 0;
  std::uint64_t total_chunks = 0;
  std::optional<std::uint64_t> image_size;  ///< unknown until the last chunk is there, unless somebody said

  friend bool operator==(const ChunkPlan&, const ChunkPlan&) = default;
};

/// Puts an image together from chunks that come in any order, more than once, and mixed with those of other images.
///
/// Order:    any. The first copy of an index counts; what belongs to a set of another length is dropped.
/// Bound:    an image of `image_size_max_bytes`, kChunksMax chunks. Chunks go to the file at once; in memory is one bit
/// for
///           each, and the last chunk while it is the only one (until another tells where it belongs).
/// Errors:   io from the file only: what a peer sends is dropped when it makes no sense, see refusal().
/// Threads:  one.
class Assembler {
 public:
  static constexpr std::uint64_t kChunksMax = 4 * 1024 * 1024;
  static constexpr std::size_t kMissingRangesMax = 1024;

  Assembler(PartFile& file, std::uint64_t image_size_max_bytes) : file_(file), image_size_max_(image_size_max_bytes) {}

  /// Fixes the plan before the first chunk (direct delivery, resume). Errors: bad_request, too_large.
  [[nodiscard]] Result<void> expect(const ChunkPlan& plan);
  /// Marks as there what an earlier run has written, all but `missing`. After expect().
  void mark_received(const mqtt::Ranges& missing);

  enum class Verdict { stored, duplicate, dropped };
  [[nodiscard]] Result<Verdict> add(std::uint64_t index, std::uint64_t total_chunks, std::span<const std::byte> bytes);
  /// Forgets everything.
  void restart();

  [[nodiscard]] bool is_complete() const { return plan_.total_chunks > 0 && received_count_ == plan_.total_chunks; }
  /// Known once the last chunk is there.
  [[nodiscard]] std::optional<std::uint64_t> image_size() const { return plan_.image_size; }
  [[nodiscard]] const ChunkPlan& plan() const { return plan_; }
  [[nodiscard]] std::uint64_t received_count() const { return received_count_; }
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }
  /// How many are there without a gap from the front.
  [[nodiscard]] std::uint64_t received_in_order() const { return in_order_; }
  /// What is not there. At most kMissingRangesMax ranges: the last one then reaches to the end, over chunks that are
  /// there too.
  [[nodiscard]] mqtt::Ranges missing() const;
  /// Why the last dropped chunk was dropped; empty: none was.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
  [[nodiscard]] Verdict drop(std::string why);
  [[nodiscard]] Result<Verdict> store(std::uint64_t index, std::span<const std::byte> bytes);
  [[nodiscard]] Result<Verdict> begin(std::uint64_t index, std::uint64_t total_chunks,
                                      std::span<const std::byte> bytes);
  [[nodiscard]] bool is_last(std::uint64_t index) const { return index + 1 == plan_.total_chunks; }
  [[nodiscard]] std::uint64_t size_of(std::uint64_t index) const;
  void count(std::uint64_t index, std::uint64_t bytes);

  PartFile& file_;
  const std::uint64_t image_size_max_;
  ChunkPlan plan_;
  std::vector<bool> received_;
  std::uint64_t received_count_ = 0, received_bytes_ = 0, in_order_ = 0;
  std::optional<std::vector<std::byte>> held_last_;  // its place is known only with the size of the others
  std::string refusal_;
};

}  // namespace propeller::device
