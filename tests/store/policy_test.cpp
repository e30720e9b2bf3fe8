// The policies against small traces by hand, and against each other on a trace with a scan in it.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "store/lru.hpp"
#include "store/s3_fifo.hpp"
#include "store/sieve.hpp"

namespace propeller::store {
namespace {

template <class P>
std::vector<Slot> victims(P& policy) {
  std::vector<Slot> order;
  while (const auto slot = policy.victim()) order.push_back(*slot);
  return order;
}

TEST(Lru, TheOneUsedLongestAgoGoesFirst) {
  Lru lru(100);
  for (Slot slot = 0; slot < 4; ++slot) lru.insert(slot, 10, slot, 0);
  lru.touch(1);
  lru.touch(0);
  lru.erase(2);
  lru.touch(2);  // it is gone: nothing to touch
  EXPECT_EQ(victims(lru), (std::vector<Slot>{3, 1, 0}));
}

TEST(Sieve, WhoWasUsedIsSparedOnceAndKeepsItsPlace) {
  Sieve sieve(100);
  for (Slot slot = 0; slot < 4; ++slot) sieve.insert(slot, 10, slot, 0);
  sieve.touch(0);
  sieve.touch(2);
  EXPECT_EQ(sieve.victim(), 1U);  // the hand passed 0
  EXPECT_EQ(sieve.victim(), 3U);  // and 2
  EXPECT_EQ(sieve.victim(), 0U);
  EXPECT_EQ(sieve.victim(), 2U);
  EXPECT_EQ(sieve.victim(), std::nullopt);
}

TEST(Sieve, TheHandSurvivesTheErasureOfWhomItPointsAt) {
  Sieve sieve(100);
  for (Slot slot = 0; slot < 4; ++slot) sieve.insert(slot, 10, slot, 0);
  sieve.touch(0);
  EXPECT_EQ(sieve.victim(), 1U);  // the hand is at 2 now
  sieve.erase(2);
  EXPECT_EQ(victims(sieve), (std::vector<Slot>{3, 0}));
}

TEST(Sieve, WhatWasUsedBeforeARestartIsSparedOnce) {
  Sieve sieve(100);
  sieve.insert(0, 10, 0, 1);
  sieve.insert(1, 10, 1, 0);
  EXPECT_EQ(sieve.uses(0), 1U);
  EXPECT_EQ(victims(sieve), (std::vector<Slot>{1, 0}));
}

TEST(S3Fifo, NewcomersThatNobodyUsesGoBeforeThoseInTheMainQueue) {
  S3Fifo policy(100);
  policy.insert(0, 10, 100, 0);
  policy.touch(0);
  policy.touch(0);
  for (Slot slot = 1; slot < 4; ++slot) policy.insert(slot, 10, 100 + slot, 0);
  EXPECT_EQ(policy.victim(), 1U);  // 0 moved on to the main queue
  EXPECT_EQ(policy.victim(), 2U);
  EXPECT_EQ(policy.victim(), 0U);  // the small queue has no more than its share
  EXPECT_EQ(policy.victim(), 3U);
}

TEST(S3Fifo, WhoComesAgainWhileItsNameIsKnownJoinsTheMainQueue) {
  S3Fifo policy(100);
  policy.insert(0, 10, 100, 0);
  policy.insert(1, 10, 101, 0);
  EXPECT_EQ(policy.victim(), 0U);
  policy.insert(0, 10, 100, 0);
  policy.insert(2, 10, 102, 0);
  EXPECT_EQ(policy.uses(0), 1U);
  EXPECT_EQ(policy.victim(), 1U);
  EXPECT_EQ(policy.victim(), 0U);
}

TEST(S3Fifo, EachUseInTheMainQueueIsOneMoreRound) {
  S3Fifo policy(100);
  policy.insert(0, 10, 100, 1);
  policy.insert(1, 10, 101, 1);
  policy.touch(1);
  policy.erase(0);
  policy.insert(2, 10, 102, 1);
  EXPECT_EQ(policy.victim(), 2U);
  EXPECT_EQ(policy.victim(), 1U);
}

TEST(S3Fifo, WhatIsLargerThanTheSmallQueueHasToComeTwice) {
  S3Fifo policy(100);
  EXPECT_TRUE(policy.admits(1, 10));
  EXPECT_FALSE(policy.admits(2, 11));
  EXPECT_TRUE(policy.admits(2, 11));
}

TEST(GhostQueue, ItRemembersNoMoreThanItsBytesAndItsNames) {
  GhostQueue bytes(100);
  for (std::uint64_t name = 1; name <= 11; ++name) bytes.add(name, 10);
  EXPECT_FALSE(bytes.contains(1));
  EXPECT_TRUE(bytes.contains(2));
  bytes.add(50, 1000);
  EXPECT_EQ(bytes.size(), 1U);
  GhostQueue names(1'000'000'000);
  for (std::uint64_t name = 1; name <= GhostQueue::kNamesMax + 1; ++name) names.add(name, 1);
  EXPECT_EQ(names.size(), GhostQueue::kNamesMax);
  EXPECT_FALSE(names.contains(1));
}

// A skewed popularity, with a scan of blobs that nobody wants again in the middle: hits of a cache of a tenth.
template <class P>
int hits_of() {
  constexpr std::uint64_t kBytesMax = 100'000;
  constexpr std::uint64_t kBytes = 1000;
  P policy(kBytesMax);
  std::map<std::uint64_t, Slot> cached;
  std::vector<std::uint64_t> names(kBytesMax / kBytes);
  std::vector<Slot> free;
  for (Slot slot = 0; slot < names.size(); ++slot) free.push_back(slot);
  int hits = 0;
  const auto ask = [&](std::uint64_t name) {
    if (const auto found = cached.find(name); found != cached.end()) {
      policy.touch(found->second);
      ++hits;
      return;
    }
    if (!policy.admits(name, kBytes)) return;
    if (free.empty()) {
      const auto slot = policy.victim();
      ASSERT_TRUE(slot);
      cached.erase(names[*slot]);
      free.push_back(*slot);
    }
    const Slot slot = free.back();
    free.pop_back();
    policy.insert(slot, kBytes, name, 0);
    cached[name] = slot;
    names[slot] = name;
  };
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same trace every time
  std::uniform_real_distribution<double> unit;
  for (std::uint64_t i = 0; i < 60'000; ++i) {
    ask(static_cast<std::uint64_t>(std::pow(1000.0, unit(random))));
    if (i % 3 == 0 && i > 20'000 && i < 40'000) ask(1'000'000 + i);
  }
  return hits;
}

TEST(Policies, S3FifoAndSieveKeepMoreThroughAScanThanLru) {
  const int lru = hits_of<Lru>();
  const int sieve = hits_of<Sieve>();
  const int s3fifo = hits_of<S3Fifo>();
  RecordProperty("lru", lru);
  RecordProperty("sieve", sieve);
  RecordProperty("s3fifo", s3fifo);
  EXPECT_GT(sieve, lru);
  EXPECT_GT(s3fifo, lru);
}

}  // namespace
}  // namespace propeller::store
