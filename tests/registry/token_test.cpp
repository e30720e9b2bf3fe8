#include "registry/token.hpp"

#include <gtest/gtest.h>

namespace propeller::registry {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const Clock::time_point kNow{1000s};

TEST(ParseTokenResponse, TakesEitherNameAndALifetime) {
  const auto token = parse_token_response(R"({"token":"abc","expires_in":300})", kNow);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->value.reveal(), "abc");
  EXPECT_EQ(token->expires_at, kNow + 270s);
  EXPECT_EQ(parse_token_response(R"({"access_token":"xyz"})", kNow)->expires_at, kNow + 54s);
  EXPECT_EQ(parse_token_response(R"({"token":"a","expires_in":-5})", kNow)->expires_at, kNow);
  EXPECT_EQ(parse_token_response(R"({"token":"a","expires_in":1e300})", kNow)->expires_at, kNow + 21h + 36min);
  EXPECT_EQ(parse_token_response(R"({"token":"a","expires_in":18446744073709551615})", kNow)->expires_at,
            kNow + 21h + 36min);
}

// A token becomes part of a header field: a line break in it would begin another.
TEST(ParseTokenResponse, RefusesWhatCannotStandInAHeader) {
  for (const char* text :
       {R"({"token":"a\r\nX: y"})", R"({"token":"a b"})", R"({"token":""})", R"({"token":7})", "{}", "[]", "x"}) {
    const auto token = parse_token_response(text, kNow);
    ASSERT_FALSE(token) << text;
    EXPECT_EQ(token.error().code, Code::unauthorized);
  }
  EXPECT_FALSE(parse_token_response(R"({"token":")" + std::string(kTokenBytesMax + 1, 'a') + "\"}", kNow));
}

TEST(TokenCache, KeepsATokenUntilItExpires) {
  TokenCache cache;
  const TokenKey key{.realm = "r", .service = "s", .scope = "c"};
  EXPECT_FALSE(cache.find(key, kNow));
  cache.put(key, {.value = Secret("t"), .expires_at = kNow + 60s});
  EXPECT_EQ(cache.find(key, kNow + 59s)->reveal(), "t");
  EXPECT_FALSE(cache.find(key, kNow + 60s));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(TokenCache, KeysDifferByEveryPart) {
  TokenCache cache;
  cache.put({.realm = "r", .service = "s", .scope = "c"}, {.value = Secret("t"), .expires_at = kNow + 60s});
  EXPECT_FALSE(cache.find({.realm = "r2", .service = "s", .scope = "c"}, kNow));
  EXPECT_FALSE(cache.find({.realm = "r", .service = "s2", .scope = "c"}, kNow));
  EXPECT_FALSE(cache.find({.realm = "r", .service = "s", .scope = "c2"}, kNow));
}

TEST(TokenCache, DropsOnlyTheTokenThatWasRefused) {
  TokenCache cache;
  const TokenKey key{.realm = "r", .service = "s", .scope = "c"};
  cache.put(key, {.value = Secret("new"), .expires_at = kNow + 60s});
  cache.drop(key, "old");
  EXPECT_TRUE(cache.find(key, kNow));
  cache.drop(key, "new");
  EXPECT_FALSE(cache.find(key, kNow));
}

TEST(TokenCache, WhenFullTheLeastRecentlyUsedGoes) {
  TokenCache cache;
  const auto key = [](std::size_t n) { return TokenKey{.realm = std::to_string(n), .service = {}, .scope = {}}; };
  for (std::size_t i = 0; i < TokenCache::kTokensMax; ++i)
    cache.put(key(i), {.value = Secret("t"), .expires_at = kNow + 60s});
  EXPECT_TRUE(cache.find(key(0), kNow));
  cache.put(key(TokenCache::kTokensMax), {.value = Secret("t"), .expires_at = kNow + 60s});
  EXPECT_EQ(cache.size(), TokenCache::kTokensMax);
  EXPECT_TRUE(cache.find(key(0), kNow));
  EXPECT_FALSE(cache.find(key(1), kNow));
}

}  // namespace
}  // namespace propeller::registry
