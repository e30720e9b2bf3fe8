#include "app/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace propeller::app {
namespace {

using testing::HasSubstr;

constexpr bool kStopping = true;
constexpr std::chrono::steady_clock::time_point kNow{std::chrono::hours(1000)};

admin::Answer health_of(const Health& health) { return health_answer({{health}}); }

admin::Answer readiness_of(const Health& health, bool is_stopping, std::chrono::steady_clock::time_point now) {
  return ready_answer({{health}}, is_stopping, now);
}

std::string reason_of(const admin::Answer& answer) {
  return nlohmann::json::parse(answer.body)["reason"].get<std::string>();
}

TEST(Health, IsOkWhenConnectedAndSubscribed) {
  const auto answer = health_of({.is_healthy = true});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(nlohmann::json::parse(answer.body)["status"], "ok");
}

// One plane that is well does not hide another that is not.
TEST(Health, IsDownWhenOneOfThePlanesIs) {
  const std::vector<Health> planes{{.is_healthy = true}, {.reason = "no broker"}};
  EXPECT_EQ(reason_of(health_answer(planes)), "no broker");
  EXPECT_EQ(ready_answer(planes, !kStopping, kNow).status, 503u);
}

TEST(Health, IsDownWithWhatTheBrokerSaidAsValidJson) {
  const auto answer = health_of({.reason = "not authorised \"\n"});
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(nlohmann::json::parse(answer.body)["status"], "down");
  EXPECT_THAT(reason_of(answer), HasSubstr("not authorised \"\n"));
}

TEST(Ready, ARegistryThatWasNeverAskedIsNoReasonAgainst) {
  EXPECT_EQ(readiness_of({.is_healthy = true}, !kStopping, kNow).status, 200u);
}

TEST(Ready, FollowsTheLastAnswerOfTheRegistry) {
  EXPECT_EQ(
      readiness_of({.is_healthy = true, .registry_asked_at = kNow, .registry_answered = true}, !kStopping, kNow).status,
      200u);
  const auto answer =
      readiness_of({.is_healthy = true, .registry_asked_at = kNow, .registry_answered = false}, !kStopping, kNow);
  EXPECT_EQ(answer.status, 503u);
  EXPECT_THAT(reason_of(answer), HasSubstr("registry"));
}

// One failure a week ago kept a bridge out of service until a device asked again.
TEST(Ready, WhatTheRegistryDidAMinuteAgoSaysNothingAboutNow) {
  const Health health{.is_healthy = true, .registry_asked_at = kNow, .registry_answered = false};
  EXPECT_EQ(readiness_of(health, !kStopping, kNow + kRegistryAnswerAge - std::chrono::seconds(1)).status, 503u);
  EXPECT_EQ(readiness_of(health, !kStopping, kNow + kRegistryAnswerAge).status, 200u);
}

TEST(Ready, IsDownWhileUnhealthyOrStopping) {
  EXPECT_EQ(readiness_of({}, !kStopping, kNow).status, 503u);
  EXPECT_THAT(reason_of(readiness_of({.is_healthy = true}, kStopping, kNow)), HasSubstr("shutting down"));
}

}  // namespace
}  // namespace propeller::app
