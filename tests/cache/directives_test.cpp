#include "cache/directives.hpp"

#include <gtest/gtest.h>

namespace propeller::cache {
namespace {

using namespace std::chrono_literals;

ResponseDirectives said(std::string_view value) {
  http::Fields fields;
  fields.add("Cache-Control", value);
  return response_directives(fields);
}

RequestDirectives asked(std::string_view value) {
  http::Fields fields;
  fields.add("Cache-Control", value);
  return request_directives(fields);
}

TEST(Directives, NamesAreReadInAnyCaseAndOverSeveralFields) {
  http::Fields fields;
  fields.add("Cache-Control", "Public, MAX-age=7");
  fields.add("cache-control", "S-MaxAge=9 , must-revalidate, proxy-revalidate");
  const auto found = response_directives(fields);
  EXPECT_TRUE(found.is_public && found.must_revalidate && found.proxy_revalidate);
  EXPECT_EQ(found.max_age, 7s);
  EXPECT_EQ(found.s_maxage, 9s);
  EXPECT_FALSE(found.no_store || found.no_cache || found.is_private || found.must_understand);
}

TEST(Directives, AQuotedNumberIsOne) { EXPECT_EQ(said("max-age=\"60\"").max_age, 60s); }

TEST(Directives, WhatIsNoNumberIsNoTime) {
  for (const auto* value : {"max-age='60'", "max-age=-1", "max-age=6.5", "max-age", "max-age=", "max-age=6 0"})
    EXPECT_EQ(said(value).max_age, 0s) << value;
}

TEST(Directives, AHugeNumberIsTheLongestTime) {
  EXPECT_EQ(said("max-age=99999999999").max_age, kSecondsMax);
  EXPECT_EQ(said("max-age=99999999999999999999999999").max_age, kSecondsMax);
}

TEST(Directives, OfTwoTheShorterTimeCounts) { EXPECT_EQ(said("max-age=9, max-age=3, max-age=5").max_age, 3s); }

TEST(Directives, WhatStandsInQuotesIsAnArgument) {
  EXPECT_FALSE(said("extension=\"max-age=3600, no-store\"").max_age);
  EXPECT_FALSE(said("extension=\"max-age=3600, no-store\"").no_store);
}

TEST(Directives, QualifiedOnesCountWhole) {
  EXPECT_TRUE(said("no-cache=\"Set-Cookie\"").no_cache);
  EXPECT_TRUE(said("private=\"x, y\"").is_private);
}

TEST(Directives, TimesOfStaleness) {
  const auto found = said("stale-while-revalidate=10, stale-if-error=20");
  EXPECT_EQ(found.stale_while_revalidate, 10s);
  EXPECT_EQ(found.stale_if_error, 20s);
}

TEST(Directives, ARequestSaysWhatItCanUse) {
  const auto found = asked("max-age=5, min-fresh=2, max-stale=8, only-if-cached, no-store");
  EXPECT_EQ(found.max_age, 5s);
  EXPECT_EQ(found.min_fresh, 2s);
  EXPECT_EQ(found.max_stale, 8s);
  EXPECT_TRUE(found.only_if_cached && found.no_store);
  EXPECT_EQ(asked("max-stale").max_stale, kSecondsMax);
}

TEST(Directives, PragmaCountsOnlyWithoutCacheControl) {
  http::Fields fields;
  fields.add("Pragma", "no-cache");
  EXPECT_TRUE(request_directives(fields).no_cache);
  fields.add("Cache-Control", "max-age=1");
  EXPECT_FALSE(request_directives(fields).no_cache);
}

}  // namespace
}  // namespace propeller::cache
