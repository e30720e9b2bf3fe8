#include "app/resident.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace propeller::app {
namespace {

TEST(FreeHeap, OfACrowdThatHasLeftGoesBackToTheKernel) {
  constexpr std::size_t kBlocks = 100'000;
  constexpr std::size_t kBlockBytes = 1024;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) blocks.push_back(std::make_unique<char[]>(kBlockBytes));
  const auto last = std::move(blocks.back());  // at the heap's end: what lies before it stays without being asked for
  blocks.clear();
  const double before = resident_bytes();
  EXPECT_GT(before, kBlocks * kBlockBytes);
  release_free_heap();
  EXPECT_LT(resident_bytes(), before - kBlocks * kBlockBytes / 2.0);
}

}  // namespace
}  // namespace propeller::app
