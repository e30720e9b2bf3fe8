#include "app/live_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

config::RuntimeRules rules_for(const std::string& domain) {
  return {.allowlist = {.is_enabled = true, .domains = {domain}, .ips = {}}, .headers = {}};
}

config::Forward with(config::Forward settings, config::RuntimeRules rules) {
  settings.rules = std::move(rules);
  return settings;
}

TEST(LiveConfig, TakesTheFilesRulesWhenTheyChange) {
  LiveConfig live(with({}, rules_for("a")));
  const auto read = with({}, rules_for("b"));
  EXPECT_EQ(live.after(read).rules, rules_for("b"));
  EXPECT_THAT(live.take_file(read).changes.applied, ElementsAre("allowlist"));
  EXPECT_EQ(live.rules(), rules_for("b"));
}

TEST(LiveConfig, KeepsTheApisRulesWhileTheFilesStay) {
  const auto file = with({}, rules_for("a"));
  LiveConfig live(file);
  live.take_rules(rules_for("api"));
  auto read = file;
  read.log.level = "debug";
  EXPECT_EQ(live.after(read).rules, rules_for("api"));
  EXPECT_FALSE(live.take_file(read).are_api_rules_replaced);
  EXPECT_EQ(live.rules(), rules_for("api"));
  EXPECT_TRUE(live.are_rules_from_api());
}

TEST(LiveConfig, OtherRulesInTheFileReplaceTheApisAndSaySo) {
  LiveConfig live(with({}, rules_for("a")));
  live.take_rules(rules_for("api"));
  EXPECT_TRUE(live.take_file(with({}, rules_for("b"))).are_api_rules_replaced);
  EXPECT_EQ(live.rules(), rules_for("b"));
  EXPECT_FALSE(live.are_rules_from_api());
}

TEST(LiveConfig, WhatWaitsForARestartIsWhatDiffersFromTheStart) {
  const config::Forward started;
  LiveConfig live(started);
  auto read = started;
  read.threads = 7;
  EXPECT_EQ(live.after(read).threads, started.threads);
  EXPECT_THAT(live.take_file(read).wait, ElementsAre("threads"));
  read.log.level = "debug";
  EXPECT_THAT(live.take_file(read).wait, ElementsAre("threads")) << "still";
  read.threads = started.threads;
  EXPECT_THAT(live.take_file(read).wait, IsEmpty());
}

}  // namespace
}  // namespace propeller::app
