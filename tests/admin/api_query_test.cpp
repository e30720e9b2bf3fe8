#include "admin/api_query.hpp"

#include <gtest/gtest.h>

namespace propeller::admin {
namespace {

TEST(ApiQuery, ParametersAreDecoded) {
  const auto parsed = parse_api_query("a=1&b=two+words&c=%2F%3f&d&=e&&");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, (ApiParameters{{"", "e"}, {"a", "1"}, {"b", "two words"}, {"c", "/?"}, {"d", ""}}));
  EXPECT_TRUE(parse_api_query("")->empty());
}

TEST(ApiQuery, WhatIsAmbiguousOrBrokenIsRefused) {
  for (const auto* query : {"a=1&a=2", "a=%", "a=%2", "a=%zz", "a=%00", "a=%0a", "%7f=1", "a=1&%61=2"})
    EXPECT_FALSE(parse_api_query(query)) << query;
}

TEST(ApiQuery, MoreParametersThanTheirBoundAreRefused) {
  std::string query;
  for (std::size_t i = 0; i < kParametersMax; ++i) query += "&a" + std::to_string(i);
  EXPECT_TRUE(parse_api_query(query));
  EXPECT_FALSE(parse_api_query(query + "&one=more"));
}

}  // namespace
}  // namespace propeller::admin
