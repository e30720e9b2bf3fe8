#include "stream/delivery_plan.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace propeller::stream {
namespace {

using Kind = DeliveryPlan::Kind;
using Indices = std::vector<std::uint64_t>;

Indices take(DeliveryPlan& plan, std::size_t count) {
  Indices taken;
  while (taken.size() < count) {
    const auto index = plan.next();
    if (!index) break;
    taken.push_back(*index);
  }
  return taken;
}
Indices rest(DeliveryPlan& plan) { return take(plan, 1000); }

TEST(DeliveryPlan, SendsEveryChunkOnceInOrder) {
  DeliveryPlan plan(Kind::indexed, 4);
  EXPECT_EQ(plan.remaining(), 4u);
  EXPECT_EQ(rest(plan), (Indices{0, 1, 2, 3}));
  EXPECT_TRUE(plan.empty());
}

TEST(DeliveryPlan, ALateJoinerGetsWhatItMissedByWrappingAround) {
  DeliveryPlan plan(Kind::indexed, 5);
  EXPECT_EQ(take(plan, 2), (Indices{0, 1}));
  plan.join();
  EXPECT_EQ(rest(plan), (Indices{2, 3, 4, 0, 1}));
}

TEST(DeliveryPlan, AThirdClientThatJoinsWhileItWrapsGetsAllTheSame) {
  DeliveryPlan plan(Kind::indexed, 5);
  (void)take(plan, 3);
  plan.join();
  EXPECT_EQ(take(plan, 3), (Indices{3, 4, 0}));
  plan.join();
  const auto after = rest(plan);
  EXPECT_EQ(std::set(after.begin(), after.end()).size(), 5u) << "from where it joined it sees every index";
  EXPECT_EQ(after, (Indices{1, 2, 3, 4, 0}));
}

TEST(DeliveryPlan, JoiningBeforeTheFirstChunkCostsNothing) {
  for (const auto kind : {Kind::indexed, Kind::ordered}) {
    DeliveryPlan plan(kind, 3);
    plan.join();
    EXPECT_EQ(rest(plan), (Indices{0, 1, 2}));
  }
}

TEST(DeliveryPlan, JoiningAfterTheLastChunkRepeatsTheWholeSet) {
  for (const auto kind : {Kind::indexed, Kind::ordered}) {
    DeliveryPlan plan(kind, 3);
    (void)rest(plan);
    plan.join();
    EXPECT_EQ(rest(plan), (Indices{0, 1, 2}));
  }
}

TEST(DeliveryPlan, OrderedClientsGetASecondCompletePassHoweverManyJoin) {
  DeliveryPlan plan(Kind::ordered, 3);
  (void)take(plan, 2);
  plan.join();
  plan.join();
  EXPECT_EQ(rest(plan), (Indices{2, 0, 1, 2}));
}

TEST(DeliveryPlan, WhatDidNotArriveGoesFirstAndInOrder) {
  for (const auto kind : {Kind::indexed, Kind::ordered}) {
    DeliveryPlan plan(kind, 6);
    (void)take(plan, 4);
    plan.give_back(Indices{2, 3});
    EXPECT_EQ(rest(plan), (Indices{2, 3, 4, 5}));
  }
}

TEST(DeliveryPlan, GivingBackAcrossTheEndOfAPassKeepsBothPasses) {
  DeliveryPlan plan(Kind::ordered, 3);
  (void)take(plan, 2);
  plan.join();
  EXPECT_EQ(take(plan, 2), (Indices{2, 0}));
  plan.give_back(Indices{2, 0});
  EXPECT_EQ(rest(plan), (Indices{2, 0, 1, 2}));
}

TEST(DeliveryPlan, ASetThatIsTakenUpGoesOnWhereItWas) {
  DeliveryPlan indexed(Kind::indexed, 4, 2);
  EXPECT_EQ(rest(indexed), (Indices{2, 3, 0, 1}));
  DeliveryPlan ordered(Kind::ordered, 4, 2);
  EXPECT_EQ(rest(ordered), (Indices{2, 3}));
}

TEST(DeliveryPlan, OnlySendsWhatADeviceMisses) {
  DeliveryPlan plan(Kind::indexed, 10);
  plan.only(*mqtt::Ranges::parse("3-5,9"));
  EXPECT_EQ(plan.remaining(), 4u);
  EXPECT_EQ(rest(plan), (Indices{3, 4, 5, 9}));
}

}  // namespace
}  // namespace propeller::stream
