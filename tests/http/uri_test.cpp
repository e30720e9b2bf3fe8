#include "http/uri.hpp"

#include <gtest/gtest.h>

namespace propeller::http {
namespace {

TEST(ParseAuthority, TakesNamesAndAddressesWithOrWithoutPort) {
  EXPECT_EQ(parse_authority("Example.org")->host, "Example.org");
  EXPECT_EQ(parse_authority("a_b.example:81")->port, 81);
  EXPECT_EQ(parse_authority("10.0.0.1:0")->port, 0);
  const auto address = parse_authority("[2001:db8::1]:443");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->host, "2001:db8::1");
  EXPECT_EQ(address->port, 443);
  EXPECT_TRUE(address->is_ipv6);
  EXPECT_FALSE(parse_authority("h:")->port);
}

TEST(ParseAuthority, RefusesWhatNoHostIs) {
  for (const auto* text : {"", ":80", "a b", "u@h", "a/b", "a%41", "a,b", "h:99999", "h:+1", "h:1:2", "[::1", "[v1.x]",
                           "[::1]x", "::1", "caf\xc3\xa9"}) {
    EXPECT_FALSE(parse_authority(text)) << text;
  }
  EXPECT_FALSE(parse_authority(std::string(256, 'a')));
  EXPECT_FALSE(parse_authority(std::string_view("[::1\0x]:443", 11))) << "the address seemed to end at the NUL";
}

std::string normal(std::string_view text) {
  const auto uri = parse_uri(text);
  return uri ? uri->to_string() : "nothing";
}

TEST(ParseUri, BringsEqualUrisIntoOneForm) {
  EXPECT_EQ(normal("HTTP://Example.ORG"), "http://example.org/");
  EXPECT_EQ(normal("http://h:80/"), "http://h/");
  EXPECT_EQ(normal("https://h:443/x"), "https://h/x");
  EXPECT_EQ(normal("https://h:80/x"), "https://h:80/x");
  EXPECT_EQ(normal("http://h/%7euser/%c3%a9"), "http://h/~user/%C3%A9");
  EXPECT_EQ(normal("http://h/a/./b/../c//d"), "http://h/a/c//d");
  EXPECT_EQ(normal("http://h/%2e%2E/../x/.."), "http://h/");
  EXPECT_EQ(normal("http://h/a?b=../c"), "http://h/a?b=../c");
  EXPECT_EQ(normal("http://h?x"), "http://h/?x");
  EXPECT_EQ(normal("http://h/a#b"), "http://h/a");
  EXPECT_EQ(normal("http://h/a b\\\"<>`{}^"), "http://h/a%20b%5C%22%3C%3E%60%7B%7D%5E");
  EXPECT_EQ(normal("http://[::1]:8080/"), "http://[::1]:8080/");
}

TEST(ParseUri, APercentSignThatBeginsNothingIsOneOfItsOwn) {
  EXPECT_EQ(normalise_target("/%%34%31"), "/%2541");
  EXPECT_EQ(normalise_target("/%2541"), "/%2541");
  EXPECT_EQ(normalise_target("/%4"), "/%254");
}

TEST(ParseUri, RefusesWhatItDoesNotKnow) {
  for (const auto* text : {"", "h/x", "/x", "ftp://h/", "http:/h", "http:", "http://", "http:///x", "http://u@h/",
                           "http://u:p@h/", "http://h:x/", "http://a b/"}) {
    EXPECT_EQ(normal(text), "nothing") << text;
  }
  EXPECT_EQ(normal("http://h/" + std::string(kUriBytesMax, 'a')), "nothing");
}

// RFC 3986 section 5.4, without the fragments and with http for a scheme.
TEST(ResolveReference, FollowsTheExamplesOfTheStandard) {
  const Uri base = *parse_uri("http://a/b/c/d;p?q");
  const auto resolved = [&](std::string_view reference) {
    const auto uri = resolve_reference(base, reference);
    return uri ? uri->to_string() : "nothing";
  };
  EXPECT_EQ(resolved("g"), "http://a/b/c/g");
  EXPECT_EQ(resolved("./g/"), "http://a/b/c/g/");
  EXPECT_EQ(resolved("/g"), "http://a/g");
  EXPECT_EQ(resolved("//g"), "http://g/");
  EXPECT_EQ(resolved("?y"), "http://a/b/c/d;p?y");
  EXPECT_EQ(resolved("g?y#s"), "http://a/b/c/g?y");
  EXPECT_EQ(resolved(""), "http://a/b/c/d;p?q");
  EXPECT_EQ(resolved("."), "http://a/b/c/");
  EXPECT_EQ(resolved(".."), "http://a/b/");
  EXPECT_EQ(resolved("../../../g"), "http://a/g");
  EXPECT_EQ(resolved("https://x:1/y"), "https://x:1/y");
  EXPECT_EQ(resolved("javascript:alert(1)"), "nothing");
  EXPECT_EQ(resolved("//u@g"), "nothing");
}

}  // namespace
}  // namespace propeller::http
