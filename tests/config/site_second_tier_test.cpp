#include "config/site_second_tier.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/forward_show.hpp"
#include "config/site_support.hpp"
#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

SiteRead read(const std::string& section, bool is_cache_on = true) {
  return read_site_text(fmt::format("cache: {{enabled: {}, second_tier: {{{}}}}}", is_cache_on, section));
}

const SecondTier& tier_of(const SiteRead& read) { return read.forward.cache.second_tier; }

constexpr std::string_view kWhole = "endpoint: 'http://s3.test:9000', bucket: site-1, access_key: AK, secret_key: hush";

TEST(SiteSecondTier, EveryKeyReachesItsField) {
  const TemporaryDirectory files;
  const auto secret = files.write("secret", "hush\nsecond line\n").string();
  const auto got =
      read(fmt::format("endpoint: s3.test, bucket: a.b-c, region: eu-test-1, prefix: /edge/one/, access_key: AK+1, "
                       "secret_key_file: {0}, "
                       "ca: {0}",
                       secret));
  EXPECT_THAT(got.problems.errors, IsEmpty());
  EXPECT_EQ(tier_of(got), (SecondTier{.endpoint = "s3.test",
                                      .bucket = "a.b-c",
                                      .region = "eu-test-1",
                                      .prefix = "edge/one",
                                      .access_key = "AK+1",
                                      .secret_key = Secret("hush"),
                                      .ca = secret}));
}

TEST(SiteSecondTier, WithoutItThereIsNone) {
  const auto got = read("");
  EXPECT_TRUE(tier_of(got).empty());
  EXPECT_EQ(tier_of(read(std::string(kWhole))).region, "us-east-1");
}

TEST(SiteSecondTier, HalfOfItIsAMistake) {
  EXPECT_THAT(read("endpoint: s3.test").problems.errors,
              ElementsAre(HasSubstr("cache.second_tier.bucket: a value is needed"),
                          HasSubstr("cache.second_tier.access_key: a value is needed"),
                          HasSubstr("cache.second_tier.secret_key: a value is needed")));
  EXPECT_THAT(read(std::string(kWhole) + ", secret_key_file: /etc/passwd").problems.errors,
              Contains(HasSubstr("secret_key is given too")));
  EXPECT_THAT(read(std::string(kWhole) + ", colour: red").problems.errors, Contains(HasSubstr("second_tier.colour")));
}

// The names are part of a URL that is signed: nothing in them is to be encoded.
TEST(SiteSecondTier, NamesAreOfPlainCharacters) {
  const auto errors = [](const std::string& key, const std::string& value) {
    return read(fmt::format("endpoint: s3.test, bucket: abc, access_key: AK, secret_key: s, {}: '{}'", key, value))
        .problems.errors.size();
  };
  for (const auto* prefix : {"a b", "a/../b", "a//b", "a?b", "a%20", "\xc3\xa4"})
    EXPECT_EQ(errors("prefix", prefix), 1U) << prefix;
  EXPECT_EQ(errors("prefix", std::string(257, 'p')), 1U);
  EXPECT_EQ(errors("prefix", std::string(256, 'p')), 0U);
  for (const auto* region : {"eu:1", "EU", "a/b"}) EXPECT_EQ(errors("region", region), 1U) << region;
  EXPECT_EQ(errors("region", std::string(65, 'r')), 1U);
  const auto bucket = [](const std::string& value) {
    return read(fmt::format("endpoint: s3.test, bucket: '{}', access_key: AK, secret_key: s", value)).problems.errors;
  };
  for (const auto* name : {"ab", "A-b", "a_b", "a..b", "a/b"}) EXPECT_THAT(bucket(name), Not(IsEmpty())) << name;
  EXPECT_THAT(bucket(std::string(64, 'b')), Not(IsEmpty()));
  EXPECT_THAT(bucket(std::string(63, 'b')), IsEmpty());
  const auto access_key = [](const std::string& value) {
    return read(fmt::format("endpoint: s3.test, bucket: abc, access_key: '{}', secret_key: s", value)).problems.errors;
  };
  EXPECT_THAT(access_key("a:b"), Not(IsEmpty()));
  EXPECT_THAT(access_key(std::string(257, 'k')), Not(IsEmpty()));
}

TEST(SiteSecondTier, WithoutACacheItIsNotUsed) {
  EXPECT_THAT(read(std::string(kWhole), false).problems.warnings,
              Contains(HasSubstr("not used without cache.enabled")));
}

TEST(SiteSecondTier, TheSecretIsNotShown) {
  const auto got = read(std::string(kWhole));
  const auto lines = show_forward(got.forward);
  EXPECT_THAT(lines, Contains(Pair("cache.second_tier.endpoint", "http://s3.test:9000")));
  EXPECT_THAT(lines, Contains(Pair("cache.second_tier.secret_key", "(set)")));
  EXPECT_THAT(read("secret_key: [hush]").problems.errors, Not(Contains(HasSubstr("hush"))));
}

}  // namespace
}  // namespace propeller::config
