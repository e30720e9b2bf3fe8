#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

namespace propeller::net {

/// Bytes on their way, in blocks that are used again.
///
/// Order:  first in, first out.
/// Bound:  the owner asks is_full() before prepare(); at most one block more than `bytes_max` is held.
class ByteQueue {
 public:
  /// Large enough to take a message of the bridge in one or two reads, small enough to stay in the processor's cache.
  static constexpr std::size_t kBlockBytes = 512 * 1024;

  explicit ByteQueue(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  [[nodiscard]] bool empty() const { return bytes_ == 0; }
  [[nodiscard]] bool is_full() const { return bytes_ >= bytes_max_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }

  /// Room behind the last byte, never empty; commit() says how much of it was filled. It stays valid while bytes in
  /// front of it are consumed, until the next prepare().
  [[nodiscard]] std::span<std::byte> prepare();
  void commit(std::size_t bytes);
  /// The first bytes, as many as lie together; empty when there are none.
  [[nodiscard]] std::span<const std::byte> front() const;
  void consume(std::size_t bytes);

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t begin = 0, end = 0;
  };
  static Block new_block() { return {.bytes = std::make_unique_for_overwrite<std::byte[]>(kBlockBytes)}; }

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<Block> blocks_;
};

}  // namespace propeller::net
