#include "forward/host_pattern.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace propeller::forward {
namespace {

TEST(HostOf, IsLowerCaseWithoutPortBracketsAndFinalDot) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"Example.COM", "example.com"},
      {"example.com:443", "example.com"},
      {"example.com.", "example.com"},
      {"example.com.:80", "example.com"},
      {"[::1]:443", "::1"},
      {"[FE80::1]", "fe80::1"},
      {"::1", "::1"},
      {"10.0.0.1:80", "10.0.0.1"},
      {"", ""},
      {".", "."},
      {":80", ""},
      {"[::1", "::1"},
  };
  for (const auto& [authority, host] : cases) EXPECT_EQ(host_of(authority), host) << authority;
}

TEST(HostPattern, MatchesAsTheReferenceDoes) {
  struct Case {
    std::string_view pattern, host;
    bool matches;
  };
  const std::vector<Case> cases{
      {"example.com", "example.com", true},
      {"Example.Com", "example.com", true},
      {"example.com", "www.example.com", false},
      {"example.com", "example.com.evil.net", false},
      {"*", "anything", true},
      {"*.example.com", "a.example.com", true},
      {"*.example.com", "a.b.c.example.com", true},
      {"*.example.com", "example.com", false},
      {"*.example.com", ".example.com", false},
      {"*.example.com", "notexample.com", false},
      {"*.example.com", "a.example.com.evil.net", false},
      {"api.*", "api.example.com", true},
      {"api.*", "api.x", true},
      {"api.*", "api.", false},
      {"api.*", "api", false},
      {"api.*", "myapi.x", false},
  };
  for (const auto& one : cases)
    EXPECT_EQ(HostPattern(one.pattern).matches(one.host), one.matches) << one.pattern << " " << one.host;
}

TEST(HostPattern, ExactIsBeforeWildcardLongerBeforeShorterThenByText) {
  std::vector<HostPattern> patterns;
  for (const auto* text : {"*", "*.b.example", "a.*", "a.example", "*.example", "ab.example", "*.a.example"})
    patterns.emplace_back(text);
  std::ranges::sort(patterns, [](const auto& a, const auto& b) { return (a <=> b) < 0; });
  std::vector<std::string> texts;
  for (const auto& pattern : patterns) texts.push_back(pattern.text());
  EXPECT_THAT(texts,
              testing::ElementsAre("ab.example", "a.example", "*.a.example", "*.b.example", "*.example", "a.*", "*"));
}

TEST(HostPatterns, AskAllAtOnce) {
  const HostPatterns patterns({"B.example", "a.example", "*.c.example"});
  EXPECT_TRUE(patterns.matches("a.example"));
  EXPECT_TRUE(patterns.matches("b.example"));
  EXPECT_TRUE(patterns.matches("x.c.example"));
  EXPECT_FALSE(patterns.matches("c.example"));
  EXPECT_FALSE(HostPatterns().matches("a"));
}

}  // namespace
}  // namespace propeller::forward
