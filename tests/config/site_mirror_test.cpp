#include "config/site_mirror.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/forward_show.hpp"
#include "config/site_support.hpp"
#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

SiteRead read(const std::string& section) { return read_site_text("mirror: {" + section + "}"); }

TEST(SiteMirror, WithoutAListThereIsDockerHub) {
  const auto mirror = read("enabled: true").forward.mirror;
  EXPECT_TRUE(mirror.is_enabled);
  ASSERT_EQ(mirror.upstreams.size(), 1U);
  EXPECT_EQ(mirror.upstreams[0].name, "docker.io");
  EXPECT_EQ(mirror.upstreams[0].url, "https://registry-1.docker.io");
  EXPECT_TRUE(mirror.upstreams[0].credentials.empty());
}

TEST(SiteMirror, EveryKeyReachesItsField) {
  const TemporaryDirectory files;
  const auto secret = files.write("secret", "hunter2\r\nsecond line\n").string();
  const auto read_one = read(fmt::format(
      "enabled: true, default: b.test, upstreams: [{{name: A.test:5000, ca: {0}, credentials: {{username: ann, "
      "password_file: {0}}}}}, {{name: b.test, url: 'http://c.test/prefix', credentials: {{token: hunter3, "
      "docker_config: {0}}}}}]",
      secret));
  EXPECT_THAT(read_one.problems.errors, IsEmpty());
  const auto& mirror = read_one.forward.mirror;
  EXPECT_EQ(mirror.default_name, "b.test");
  const MirrorUpstream first{.name = "a.test:5000",
                             .url = "a.test:5000",
                             .ca = secret,
                             .credentials = {.username = "ann", .password = Secret("hunter2")}};
  const MirrorUpstream second{.name = "b.test",
                              .url = "http://c.test/prefix",
                              .ca = {},
                              .credentials = {.token = Secret("hunter3"), .docker_config = secret}};
  EXPECT_THAT(mirror.upstreams, ElementsAre(first, second));
}

TEST(SiteMirror, ABadValueSaysWhatIsWrong) {
  const TemporaryDirectory files;
  const auto empty = files.write("empty", "\nsecond line").string();
  const auto one = [](const std::string& keys) { return "upstreams: [{name: a.test, " + keys + "}]"; };
  const std::vector<std::tuple<std::string, std::string, std::string>> bads{
      {"enabled: 1", "enabled", "true and false"},
      {"default: a.test", "default", "no upstream has this name"},
      {"upstreams: {}", "upstreams", "a list is needed"},
      {"upstreams: [{url: a.test}]", "upstreams[0].name", "a value is needed"},
      {"upstreams: [{name: 'https://a.test'}]", "upstreams[0].name", "host[:port]"},
      {"upstreams: [{name: a.test}, {name: A.test}]", "upstreams[1].name", "there twice"},
      {one("url: 'ftp://a'"), "upstreams[0].url", "host[:port][/path]"},
      {one("ca: /nonexistent"), "upstreams[0].ca", "no such file"},
      {one("credentials: {username: ann}"), "upstreams[0].credentials.username", "belong together"},
      {one("credentials: {username: a, password: b, token: c}"), "upstreams[0].credentials.token", "a user name"},
      {one("credentials: {token: a, token_file: " + empty + "}"), "upstreams[0].credentials.token_file", "is empty"},
      {one("credentials: {token_file: /nonexistent}"), "upstreams[0].credentials.token_file", "no such file"},
      {one("credential: {}"), "upstreams[0].credential", "did you mean credentials?"},
  };
  for (const auto& [text, path, why] : bads) {
    const auto problems = read(text).problems.errors;
    ASSERT_FALSE(problems.empty()) << text;
    EXPECT_THAT(problems.front(), HasSubstr("p.yaml:1: mirror." + path)) << text;
    EXPECT_THAT(problems.front(), HasSubstr(why)) << text;
  }
}

TEST(SiteMirror, UpstreamsAreBounded) {
  const auto with = [](std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += fmt::format("{{name: r{}.test}},", i);
    return read("enabled: true, upstreams: [" + list + "]");
  };
  EXPECT_THAT(with(kMirrorUpstreamsMax).problems.errors, IsEmpty());
  EXPECT_THAT(with(kMirrorUpstreamsMax + 1).problems.errors, ElementsAre(HasSubstr("at most 64 entries")));
}

TEST(SiteMirror, WarnsOfAListThatIsNotUsed) {
  EXPECT_THAT(read("upstreams: [{name: a.test}]").problems.warnings, ElementsAre(HasSubstr("mirror.enabled: true")));
}

TEST(SiteMirror, SecretsAreNotShown) {
  const auto forward = read(
                           "enabled: true, upstreams: [{name: a.test, credentials: {username: ann, password: hunter2}},"
                           "{name: b.test, credentials: {token: hunter3}}]")
                           .forward;
  const auto lines = show_forward(forward);
  EXPECT_THAT(lines, testing::Contains(Pair("mirror.upstreams[\"a.test\"].credentials", "ann:(set)")));
  for (const auto& [key, value] : lines) EXPECT_THAT(value, Not(HasSubstr("hunter"))) << key;
}

}  // namespace
}  // namespace propeller::config
