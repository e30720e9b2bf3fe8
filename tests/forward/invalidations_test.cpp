#include "forward/invalidations.hpp"

#include <gtest/gtest.h>

namespace propeller::forward {
namespace {

TEST(Invalidations, EachWriteBeginsAGeneration) {
  Invalidations writes;
  EXPECT_EQ(writes.generation("a"), 0U);
  writes.add("a");
  const auto first = writes.generation("a");
  EXPECT_NE(first, 0U);
  EXPECT_EQ(writes.generation("b"), 0U);
  writes.add("a");
  EXPECT_NE(writes.generation("a"), first);
}

// What is no longer known may have been written to: a download that began before does not count as good.
TEST(Invalidations, WhatWasDroppedIsNotTakenForUnchanged) {
  Invalidations writes;
  const auto before = writes.generation("a");
  writes.add("a");
  for (std::size_t i = 0; i < Invalidations::kUrlsMax; ++i) writes.add("other " + std::to_string(i));
  EXPECT_NE(writes.generation("a"), before);
  EXPECT_EQ(writes.generation("a"), writes.generation("never seen"));
}

}  // namespace
}  // namespace propeller::forward
