#include "config/rule_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace propeller::config {
namespace {

TEST(DomainPattern, IsExactOrAStarAtOneEnd) {
  for (const char* good : {"*", "example.com", "*.example.com", "api.*", "localhost", "10.0.0.1", "A-b.C", "*.x"})
    EXPECT_TRUE(is_domain_pattern(good)) << good;
  for (const char* bad : {"", "**", "*.", ".*", "*.*", "a.*.b", "*example.com", "exa*mple.com", "example*", "a b",
                          "a_b", "a/b", "a:80", "https://a", "[::1]", "ex\xC3\xA4mple"})
    EXPECT_FALSE(is_domain_pattern(bad)) << bad;
  EXPECT_TRUE(is_domain_pattern(std::string(253, 'a')));
  EXPECT_FALSE(is_domain_pattern(std::string(254, 'a')));
}

TEST(AddressOrRange, TakesBothFamiliesWithinTheirBits) {
  for (const char* good : {"192.168.1.100", "10.0.0.0/8", "0.0.0.0/0", "::1", "fd00::/8", "::/0", "1.2.3.4/32"})
    EXPECT_TRUE(is_address_or_range(good)) << good;
  for (const char* bad : {"", "10.0.0.0/33", "::/129", "10.0.0/8", "example.com", "10.0.0.0/", "/8", "10.0.0.0/-1",
                          "fe80::1%eth0", "[::1]", "10.0.0.1:80"})
    EXPECT_FALSE(is_address_or_range(bad)) << bad;
}

TEST(HeaderText, KeepsNamesToTokensAndValuesToOneLine) {
  EXPECT_TRUE(is_header_name("X-Forwarded-For"));
  for (const char* bad : {"", "X Y", "X:", "X\n", "(x)", "\xC3\xA4"}) EXPECT_FALSE(is_header_name(bad)) << bad;
  EXPECT_TRUE(is_header_value("Bearer a b\tc \xC3\xA4"));
  EXPECT_TRUE(is_header_value(""));
  for (const auto& bad :
       std::vector<std::string>{" a", "a ", "a\r\nB: c", "a\n", std::string("a\0b", 3), std::string("\x7f")})
    EXPECT_FALSE(is_header_value(bad)) << bad;
  EXPECT_TRUE(is_header_value(std::string(kHeaderValueBytesMax, 'v')));
  EXPECT_FALSE(is_header_value(std::string(kHeaderValueBytesMax + 1, 'v')));
}

TEST(HeaderText, LeavesFramingAndConnectionAlone) {
  for (const char* name : {"content-length", "Transfer-Encoding", "HOST", "connection", "te", "Upgrade"})
    EXPECT_FALSE(is_settable_header(name)) << name;
  for (const char* name : {"Authorization", "Via", "X-Host", "Cookie"}) EXPECT_TRUE(is_settable_header(name)) << name;
}

TEST(Expression, IsOneThatRe2TakesWithinItsBounds) {
  EXPECT_EQ(check_expression("^/v2/.*/blobs/sha256:.*"), std::nullopt);
  EXPECT_THAT(*check_expression("("), testing::HasSubstr("RE2"));
  EXPECT_THAT(*check_expression("(a)\\1"), testing::HasSubstr("RE2"));
  EXPECT_NE(check_expression(""), std::nullopt);
  EXPECT_THAT(*check_expression("((a{100}){100}){100}"), testing::HasSubstr("RE2"));
  EXPECT_EQ(check_expression(std::string(kCachePatternBytesMax, 'a')), std::nullopt);
  EXPECT_NE(check_expression(std::string(kCachePatternBytesMax + 1, 'a')), std::nullopt);
}

}  // namespace
}  // namespace propeller::config
