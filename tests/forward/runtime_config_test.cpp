#include "forward/runtime_config.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/rule_text.hpp"

namespace propeller::forward {
namespace {

using config::RuntimeRules;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

RuntimeRules overwrite(std::string_view document) {
  auto rules = overwrite_rules(document);
  EXPECT_TRUE(rules) << rules.error().detail;
  return rules.value_or(RuntimeRules{});
}

RuntimeRules merge(const RuntimeRules& before, std::string_view document) {
  auto rules = merge_rules(before, document);
  EXPECT_TRUE(rules) << rules.error().detail;
  return rules.value_or(RuntimeRules{});
}

std::string refusal(std::string_view document) {
  const auto rules = overwrite_rules(document);
  EXPECT_FALSE(rules) << document;
  return rules ? "" : rules.error().detail;
}

constexpr auto kExample = R"({
  "allowlist": {"enabled": true, "domains": ["*.github.com", "api.anthropic.com"], "ips": ["10.0.0.0/8"]},
  "headers": {
    "api.anthropic.com": {"set": {"Authorization": "Bearer sk-ant-xxx"}},
    "*.github.com": {"conditions": [{"header": "X-Auth-Type", "equals": "enterprise"}],
                     "set": {"Authorization": "token ghp_xxx"}, "append": {"X-Forwarded-For": "proxy.internal"}}}})";

TEST(RuntimeConfig, PostTakesTheDocumentOfTheReference) {
  const auto rules = overwrite(kExample);
  EXPECT_TRUE(rules.allowlist.is_enabled);
  EXPECT_THAT(rules.allowlist.domains, ElementsAre("*.github.com", "api.anthropic.com"));
  EXPECT_THAT(rules.allowlist.ips, ElementsAre("10.0.0.0/8"));
  ASSERT_EQ(rules.headers.size(), 2U);
  EXPECT_EQ(rules.headers[0].pattern, "*.github.com");
  EXPECT_EQ(rules.headers[0].conditions, (std::vector<config::HeaderCondition>{{"X-Auth-Type", "enterprise"}}));
  EXPECT_EQ(rules.headers[0].append, (std::vector<config::HeaderValue>{{"X-Forwarded-For", Secret("proxy.internal")}}));
  EXPECT_EQ(rules.headers[1].set, (std::vector<config::HeaderValue>{{"Authorization", Secret("Bearer sk-ant-xxx")}}));
}

TEST(RuntimeConfig, WhatAPostLeavesOutIsEmptyAndOff) {
  EXPECT_EQ(overwrite("{}"), RuntimeRules{});
  EXPECT_EQ(overwrite("null"), RuntimeRules{});
  EXPECT_EQ(overwrite(R"({"allowlist":null,"headers":null})"), RuntimeRules{});
  EXPECT_FALSE(overwrite(R"({"allowlist":{"domains":["a"]}})").allowlist.is_enabled);
  EXPECT_THAT(overwrite(R"({"headers":{"a":{},"b":null,"c":{"set":{}}}})").headers, IsEmpty());
}

TEST(RuntimeConfig, PatchReplacesDeletesAndAdds) {
  const auto before = overwrite(kExample);
  EXPECT_EQ(merge(before, "{}"), before);
  const auto added = merge(before, R"({"headers":{"api.openai.com":{"set":{"Authorization":"Bearer sk-xxx"}}}})");
  EXPECT_EQ(added.headers.size(), 3U);
  EXPECT_EQ(merge(added, R"({"headers":{"api.openai.com":null}})"), before);
  EXPECT_EQ(merge(added, R"({"headers":{"API.openai.com":{}}})"), before);
  const auto replaced = merge(before, R"({"headers":{"*.github.com":{"set":{"X":"y"}}}})");
  ASSERT_EQ(replaced.headers.size(), 2U);
  EXPECT_THAT(replaced.headers[1].conditions, IsEmpty());
  const auto listed =
      merge(before, R"({"allowlist":{"domains":["b.example","*.github.com"],"ips":["10.0.0.0/8","::1"]}})");
  EXPECT_TRUE(listed.allowlist.is_enabled) << "not said, so as it was";
  EXPECT_THAT(listed.allowlist.domains, ElementsAre("*.github.com", "api.anthropic.com", "b.example"));
  EXPECT_THAT(listed.allowlist.ips, ElementsAre("10.0.0.0/8", "::1"));
  EXPECT_FALSE(merge(before, R"({"allowlist":{"enabled":false}})").allowlist.is_enabled);
}

TEST(RuntimeConfig, ErrorsAreWordedAsInTheReference) {
  EXPECT_THAT(refusal("{"), StartsWith("invalid JSON: "));
  EXPECT_EQ(refusal(""), "invalid JSON: EOF");
  EXPECT_THAT(refusal("[]"), StartsWith("invalid JSON: "));
  EXPECT_EQ(refusal(R"({"headers":{"a*b":{}}})"), "invalid domain pattern: a*b");
  EXPECT_EQ(refusal(R"({"allowlist":{"domains":["ok","not ok"]}})"), "invalid allowlist domain: not ok");
  EXPECT_EQ(refusal(R"({"allowlist":{"ips":["10.0.0.0/33"]}})"), "invalid IP/CIDR: 10.0.0.0/33");
  EXPECT_EQ(error_body("invalid domain pattern: \"x\""), "{\"error\":\"invalid domain pattern: \\\"x\\\"\"}\n");
}

// The API of the existing proxies took every rule, and the file did not.
TEST(RuntimeConfig, RulesAreValidatedAsInTheFile) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"headers":{"a":{"conditions":[{"header":"","equals":"x"}]}}})", "a condition without header"},
      {R"({"headers":{"a":{"conditions":[{"header":"X"}]}}})", "a condition without equals"},
      {R"({"headers":{"a":{"conditions":[{"header":"X Y","equals":"x"}]}}})", "no header name"},
      {R"({"headers":{"a":{"conditions":{}}}})", "conditions is not a list"},
      {R"({"headers":{"a":{"set":{"X Y":"v"}}}})", "X Y is no header name"},
      {R"({"headers":{"a":{"set":{"Content-Length":"5"}}}})", "belongs to the connection"},
      {R"({"headers":{"a":{"set":{"X":"hunter2\r\nY: z"}}}})", "the value of X"},
      {R"({"headers":{"a":{"append":{"X":5}}}})", "a value of append is no text"},
      {R"({"headers":{"a":{"append":[]}}})", "append is not an object"},
      {R"({"headers":{"a":[]}})", "a header rule is not an object"},
      {R"({"headers":[]})", "headers is not an object"},
      {R"({"headers":{"a":{"sett":{}}}})", "unknown field \"sett\""},
      {R"({"allowlst":{}})", "unknown field \"allowlst\""},
      {R"({"allowlist":{"enabled":"yes"}})", "allowlist.enabled is not true or false"},
      {R"({"allowlist":{"domains":"a"}})", "domains is not a list"},
      {R"({"allowlist":{"domains":[1]}})", "no text"},
      {R"({"allowlist":{},"allowlist":{}})", "a key is there twice"},
      {R"({"headers":{"a":{},"a":{}}})", "a key is there twice"},
  };
  for (const auto& [document, told] : cases) {
    EXPECT_THAT(refusal(document), HasSubstr(told)) << document;
    EXPECT_THAT(refusal(document), Not(HasSubstr("hunter2")));
    EXPECT_EQ(overwrite_rules(document).error().code, Code::bad_request);
  }
}

TEST(RuntimeConfig, IsBounded) {
  EXPECT_THAT(refusal(std::string(kRuntimeConfigBytesMax + 1, ' ')), HasSubstr("bytes"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("invalid JSON"));
  EXPECT_THAT(refusal(R"({"headers":{"a":{"set":[[[[[[[[1]]]]]]]]}}})"), HasSubstr("levels deep"));
  std::string rules = R"({"headers":{)";
  for (std::size_t i = 0; i <= config::kHeaderRulesMax; ++i)
    rules += fmt::format(R"({}"h{}":{{"set":{{"X":"y"}}}})", i == 0 ? "" : ",", i);
  EXPECT_THAT(refusal(rules + "}}"), HasSubstr("at most 1000"));
  std::string domains = R"({"allowlist":{"domains":["d")";
  for (std::size_t i = 0; i < config::kListEntriesMax; ++i) domains += fmt::format(R"(,"d{}")", i);
  EXPECT_THAT(refusal(domains + "]}}"), HasSubstr("at most 10000"));
  std::string values = R"({"headers":{"a":{"set":{"X":"y")";
  for (std::size_t i = 0; i < config::kHeaderEntriesMax; ++i) values += fmt::format(R"(,"X{}":"y")", i);
  EXPECT_THAT(refusal(values + "}}}}"), HasSubstr("too many headers"));
}

TEST(RuntimeConfig, IsShownWithoutAnyValueOfARule) {
  auto rules = overwrite(kExample);
  rules.headers[0].conditions.push_back({"Authorization", "hunter2"});
  const auto text = show_rules(rules);
  EXPECT_EQ(text,
            R"({"allowlist":{"domains":["*.github.com","api.anthropic.com"],"enabled":true,"ips":["10.0.0.0/8"]},)"
            R"("headers":{"*.github.com":{"append":{"X-Forwarded-For":"[REDACTED]"},)"
            R"("conditions":[{"equals":"enterprise","header":"X-Auth-Type"},)"
            R"({"equals":"[REDACTED]","header":"Authorization"}],"set":{"Authorization":"[REDACTED]"}},)"
            R"("api.anthropic.com":{"set":{"Authorization":"[REDACTED]"}}}})"
            "\n");
}

}  // namespace
}  // namespace propeller::forward
