#include "net/byte_queue.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

namespace propeller::net {
namespace {

void put(ByteQueue& queue, std::string_view text) {
  while (!text.empty()) {
    const auto room = queue.prepare();
    const std::size_t size = std::min(room.size(), text.size());
    std::memcpy(room.data(), text.data(), size);
    queue.commit(size);
    text.remove_prefix(size);
  }
}

std::string take(ByteQueue& queue, std::size_t size) {
  std::string text;
  while (text.size() < size && !queue.empty()) {
    const auto bytes = queue.front().first(std::min(queue.front().size(), size - text.size()));
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    queue.consume(bytes.size());
  }
  return text;
}

std::string numbered(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + ' ';
  return text;
}

TEST(ByteQueue, GivesBackWhatWasPutInOrderOverManyBlocks) {
  ByteQueue queue(1 << 30);
  const auto text = numbered(3 * ByteQueue::kBlockBytes + 1234);
  put(queue, text);
  EXPECT_EQ(queue.size(), text.size());
  EXPECT_TRUE(take(queue, text.size()) == text);
  EXPECT_TRUE(queue.empty());
}

// Once the block was started anew while a read into its rear was under way: the bytes came out shifted.
TEST(ByteQueue, RoomThatWasPreparedKeepsItsPlaceWhileEverythingBeforeItIsConsumed) {
  ByteQueue queue(1 << 20);
  put(queue, "first");
  const auto room = queue.prepare();
  EXPECT_EQ(take(queue, 5), "first");
  std::memcpy(room.data(), "second", 6);
  queue.commit(6);
  EXPECT_EQ(take(queue, 6), "second");
}

TEST(ByteQueue, IsFullAtItsBoundAndNoLongerAfterSomeIsConsumed) {
  ByteQueue queue(1000);
  put(queue, std::string(999, 'x'));
  EXPECT_FALSE(queue.is_full());
  put(queue, "y");
  EXPECT_TRUE(queue.is_full());
  EXPECT_EQ(take(queue, 1), "x");
  EXPECT_FALSE(queue.is_full());
}

}  // namespace
}  // namespace propeller::net
