#include "config/forward_changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::config {
namespace {

using testing::ElementsAre;

TEST(ForwardChanges, NamesWhatIsAppliedAndWhatNeedsARestart) {
  Forward after;
  EXPECT_TRUE(compare(Forward{}, after).empty());
  after.threads = 2;
  after.proxy.listen[0].port = 9;
  after.rules.allowlist.is_enabled = true;
  after.cache.dir = "/x";
  after.cache.size_max_bytes = 1;
  after.log.level = "debug";
  const auto changes = compare(Forward{}, after);
  EXPECT_THAT(changes.applied, ElementsAre("allowlist", "logging.level"));
  EXPECT_THAT(changes.needs_restart, ElementsAre("threads", "proxy.listen", "cache.dir", "cache.max_size"));
}

TEST(ForwardChanges, WhatNeedsARestartKeepsItsValueUntilThen) {
  Forward before;
  before.threads = 2;
  Forward after;
  after.threads = 3;
  after.api.listen.port = 5;
  after.tls.passthrough = {"a"};
  const auto now = keep_until_restart(before, after);
  EXPECT_EQ(now.threads, 2U);
  EXPECT_EQ(now.api.listen, before.api.listen);
  EXPECT_THAT(now.tls.passthrough, ElementsAre("a"));
}

}  // namespace
}  // namespace propeller::config
