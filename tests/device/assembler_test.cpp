#include "device/assembler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "base/units.hpp"
#include "device/scratch.hpp"

namespace propeller::device {
namespace {

using Verdict = Assembler::Verdict;
using base::kMiB;

class AssemblerTest : public ::testing::Test {
 protected:
  AssemblerTest() { EXPECT_TRUE(file_.open(PartFile::Content::discard)); }

  Verdict add(Assembler& assembler, std::uint64_t index, std::uint64_t total, std::string_view bytes) {
    const auto verdict = assembler.add(index, total, bytes_of(bytes));
    EXPECT_TRUE(verdict);
    return verdict.value_or(Verdict::dropped);
  }

  // Chunks of ten bytes of an image of 95.
  Verdict add_piece(Assembler& assembler, std::uint64_t index) {
    return add(assembler, index, 10, std::string_view(image_).substr(index * 10, 10));
  }

  std::string result(const Assembler& assembler) {
    EXPECT_TRUE(assembler.is_complete());
    EXPECT_TRUE(file_.publish(assembler.image_size().value_or(0)));
    return content_of(scratch_ / "image");
  }

  Scratch scratch_;
  PartFile file_{scratch_ / "image"};
  std::string image_ = image_of(95);
};

TEST_F(AssemblerTest, PutsChunksTogetherInAnyOrder) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    ASSERT_TRUE(file_.open(PartFile::Content::discard));
    Assembler assembler(file_, kMiB);
    std::vector<std::uint64_t> order(10);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::shuffle(order, std::minstd_rand(seed));
    for (const auto index : order) EXPECT_EQ(add_piece(assembler, index), Verdict::stored);
    EXPECT_EQ(result(assembler), image_) << "order of seed " << seed;
  }
}

TEST_F(AssemblerTest, TheLastChunkFirstWaitsForTheSizeOfTheOthers) {
  Assembler assembler(file_, kMiB);
  EXPECT_EQ(add_piece(assembler, 9), Verdict::stored);
  EXPECT_EQ(add_piece(assembler, 9), Verdict::duplicate);
  EXPECT_EQ(assembler.plan().chunk_size, 0U);
  for (std::uint64_t index = 9; index-- > 0;) EXPECT_EQ(add_piece(assembler, index), Verdict::stored);
  EXPECT_EQ(result(assembler), image_);
}

TEST_F(AssemblerTest, TheFirstCopyOfAnIndexCounts) {
  Assembler assembler(file_, kMiB);
  EXPECT_EQ(add(assembler, 0, 2, "first"), Verdict::stored);
  EXPECT_EQ(add(assembler, 0, 2, "other"), Verdict::duplicate);
  EXPECT_EQ(add(assembler, 1, 2, "last"), Verdict::stored);
  EXPECT_EQ(result(assembler), "firstlast");
}

TEST_F(AssemblerTest, AnImageOfOneChunkIsWholeAtOnce) {
  Assembler assembler(file_, kMiB);
  EXPECT_EQ(add(assembler, 0, 1, "small"), Verdict::stored);
  EXPECT_EQ(result(assembler), "small");
}

TEST_F(AssemblerTest, AChunkOfASetOfAnotherLengthIsDropped) {
  Assembler assembler(file_, kMiB);
  add(assembler, 0, 3, "aaaa");
  EXPECT_EQ(add(assembler, 1, 4, "bbbb"), Verdict::dropped);
  EXPECT_NE(assembler.refusal().find("set of 4"), std::string::npos);
  EXPECT_EQ(assembler.received_count(), 1U);
}

TEST_F(AssemblerTest, AChunkOfAnotherSizeIsDropped) {
  Assembler assembler(file_, kMiB);
  add(assembler, 0, 3, "aaaa");
  EXPECT_EQ(add(assembler, 1, 3, "bbb"), Verdict::dropped);
  EXPECT_EQ(add(assembler, 1, 3, "bbbbb"), Verdict::dropped);
  EXPECT_EQ(add(assembler, 2, 3, "ccccc"), Verdict::dropped) << "the last one may be shorter, not longer";
  EXPECT_EQ(add(assembler, 2, 3, "c"), Verdict::stored);
}

TEST_F(AssemblerTest, ALastChunkThatTurnsOutTooLongIsAskedForAgain) {
  Assembler assembler(file_, kMiB);
  add(assembler, 1, 2, "much too long");
  EXPECT_EQ(add(assembler, 0, 2, "aaaa"), Verdict::stored);
  EXPECT_FALSE(assembler.is_complete());
  EXPECT_EQ(assembler.missing().to_string(), "1");
}

TEST_F(AssemblerTest, NonsenseIsDropped) {
  Assembler assembler(file_, kMiB);
  EXPECT_EQ(add(assembler, 0, 0, "a"), Verdict::dropped);
  EXPECT_EQ(add(assembler, 3, 3, "a"), Verdict::dropped);
  EXPECT_EQ(add(assembler, 0, 3, ""), Verdict::dropped);
  EXPECT_EQ(assembler.plan().total_chunks, 0U);
}

TEST_F(AssemblerTest, ImpossiblyManyChunksNeitherOverflowNorAllocate) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t total : {std::uint64_t{1} << 60, kMost, Assembler::kChunksMax + 1}) {
    Assembler assembler(file_, kMost);
    EXPECT_EQ(add(assembler, 0, total, "a"), Verdict::dropped) << total;
    EXPECT_EQ(add(assembler, total - 1, total, "a"), Verdict::dropped) << total;
    EXPECT_FALSE(assembler.expect({.chunk_size = 1, .total_chunks = total, .image_size = {}})) << total;
  }
  Assembler assembler(file_, kMost);
  EXPECT_FALSE(assembler.expect({.chunk_size = kMost, .total_chunks = Assembler::kChunksMax, .image_size = {}}));
}

TEST_F(AssemblerTest, AnImageOverTheLimitIsDropped) {
  Assembler assembler(file_, 100);
  EXPECT_EQ(add(assembler, 0, 3, std::string(50, 'a')), Verdict::dropped);
  EXPECT_EQ(add(assembler, 0, 1, std::string(101, 'a')), Verdict::dropped);
  EXPECT_NE(assembler.refusal().find("PROXY_MAX_IMAGE_SIZE"), std::string::npos);
  EXPECT_EQ(add(assembler, 0, 2, std::string(60, 'a')), Verdict::stored);
  EXPECT_EQ(add(assembler, 1, 2, std::string(41, 'a')), Verdict::dropped);
  EXPECT_EQ(add(assembler, 1, 2, std::string(40, 'a')), Verdict::stored);
  EXPECT_TRUE(assembler.is_complete());
}

TEST_F(AssemblerTest, WhatIsMissingIsNamedInRanges) {
  Assembler assembler(file_, kMiB);
  for (const std::uint64_t index : {0, 1, 4, 9}) add_piece(assembler, index);
  EXPECT_EQ(assembler.missing().to_string(), "2-3,5-8");
  EXPECT_EQ(assembler.received_in_order(), 2U);
}

TEST_F(AssemblerTest, MissingRangesAreBoundedAndCoverWhatIsMissing) {
  Assembler assembler(file_, kMiB);
  constexpr std::uint64_t kTotal = 5'000;
  for (std::uint64_t index = 0; index < kTotal; index += 2) add(assembler, index, kTotal, "a");
  const auto missing = assembler.missing();
  EXPECT_EQ(missing.ranges.size(), Assembler::kMissingRangesMax);
  EXPECT_EQ(missing.last(), kTotal - 1);
}

TEST_F(AssemblerTest, APlanMustFitTheSize) {
  Assembler assembler(file_, kMiB);
  EXPECT_TRUE(assembler.expect({.chunk_size = 10, .total_chunks = 10, .image_size = 95}));
  for (const std::uint64_t size : {90, 101, 0}) {
    EXPECT_FALSE(assembler.expect({.chunk_size = 10, .total_chunks = 10, .image_size = size})) << size;
  }
  EXPECT_FALSE(assembler.expect({.chunk_size = 0, .total_chunks = 1, .image_size = 0}));
}

TEST_F(AssemblerTest, AnAnnouncedSizeBindsTheLastChunk) {
  Assembler assembler(file_, kMiB);
  ASSERT_TRUE(assembler.expect({.chunk_size = 10, .total_chunks = 10, .image_size = 95}));
  EXPECT_EQ(add(assembler, 9, 10, "four"), Verdict::dropped);
  EXPECT_EQ(add_piece(assembler, 9), Verdict::stored);
}

TEST_F(AssemblerTest, AnEarlierRunsChunksNeedNotComeAgain) {
  {
    Assembler assembler(file_, kMiB);
    for (const std::uint64_t index : {0, 1, 2, 5, 9}) add_piece(assembler, index);
  }
  Assembler assembler(file_, kMiB);
  ASSERT_TRUE(assembler.expect({.chunk_size = 10, .total_chunks = 10, .image_size = 95}));
  assembler.mark_received(*mqtt::Ranges::parse("3-4,6-8"));
  EXPECT_EQ(assembler.received_count(), 5U);
  EXPECT_EQ(assembler.received_bytes(), 45U);
  for (const std::uint64_t index : {3, 4, 6, 7, 8}) EXPECT_EQ(add_piece(assembler, index), Verdict::stored);
  EXPECT_EQ(result(assembler), image_);
}

TEST_F(AssemblerTest, WithoutTheSizeTheLastChunkHasToComeAgain) {
  Assembler assembler(file_, kMiB);
  ASSERT_TRUE(assembler.expect({.chunk_size = 10, .total_chunks = 10, .image_size = {}}));
  assembler.mark_received(*mqtt::Ranges::parse("3"));
  EXPECT_EQ(assembler.missing().to_string(), "3,9");
}

TEST_F(AssemblerTest, AFileThatCannotBeWrittenIsAnError) {
  PartFile closed(scratch_ / "closed");
  Assembler assembler(closed, kMiB);
  const auto verdict = assembler.add(0, 1, bytes_of("a"));
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Code::io);
}

}  // namespace
}  // namespace propeller::device
