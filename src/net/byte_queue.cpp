#include "net/byte_queue.hpp"

#include "base/assert.hpp"

namespace propeller::net {

namespace {
// Less room than this is not worth a system call.
constexpr std::size_t kRoomBytesMin = 64 * 1024;
}  // namespace

std::span<std::byte> ByteQueue::prepare() {
  // What comes and goes at once always finds the same, warm, memory.
  if (blocks_.size() == 1 && empty()) blocks_.front().begin = blocks_.front().end = 0;
  if (blocks_.empty() || kBlockBytes - blocks_.back().end < kRoomBytesMin) blocks_.push_back(new_block());
  Block& last = blocks_.back();
  return {last.bytes.get() + last.end, kBlockBytes - last.end};
}

void ByteQueue::commit(std::size_t bytes) {
  ASSERT(!blocks_.empty() && bytes <= kBlockBytes - blocks_.back().end);
  blocks_.back().end += bytes;
  bytes_ += bytes;
}

std::span<const std::byte> ByteQueue::front() const {
  if (blocks_.empty()) return {};
  const Block& first = blocks_.front();
  return {first.bytes.get() + first.begin, first.end - first.begin};
}

void ByteQueue::consume(std::size_t bytes) {
  ASSERT(bytes <= front().size());
  Block& first = blocks_.front();
  first.begin += bytes;
  bytes_ -= bytes;
  // The last block stays where it is: somebody may be reading into the room behind it.
  if (first.begin == first.end && blocks_.size() > 1) blocks_.pop_front();
}

}  // namespace propeller::net
