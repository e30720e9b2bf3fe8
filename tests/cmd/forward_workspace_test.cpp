// A file of the directory that somebody works in, over the site's own.
#include <gmock/gmock.h>

#include "forward_site.hpp"

namespace propeller::cmd {
namespace {

using support::wait_until;
using testing::HasSubstr;

class ForwardWorkspace : public ForwardSite {
 protected:
  ForwardWorkspace() {
    std::filesystem::create_directories(file_.parent_path());
    write_config(usual("cache: {enabled: true, dir: " + (files_ / "cache").string() + ", patterns: ['^/nothing$']}\n"));
    say("['/blobs/']", "first");
  }
  void say(const std::string& patterns, const std::string& header) const {
    support::write_file(file_, "cache: {patterns: " + patterns + ", dir: " + (files_ / "theirs").string() +
                                   "}\nheaders:\n  127.0.0.1:\n    set: {X-Rule: " + header + "}\n");
  }
  /// Of what the origin was asked last.
  [[nodiscard]] std::string header() const { return plain_.requests().back().field("x-rule"); }

  const std::filesystem::path directory_ = files_ / "work";
  const std::filesystem::path file_ = directory_ / ".discobot/proxy/config.yaml";
  const Environment here_{{"PROXY_WORKSPACE", directory_.string()}};
};

TEST_F(ForwardWorkspace, IsHeededAsFarAsItIsHarmless) {
  start(here_);
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_EQ(header(), "");
  // It is kept a moment after its client has the last byte.
  EXPECT_TRUE(support::wait_until([&] { return curl({blob(plain_)}).has("X-Cache: HIT"); })) << log();
  EXPECT_FALSE(std::filesystem::exists(files_ / "theirs"));
  for (const auto* key : {"headers", "cache.dir"})
    EXPECT_THAT(log(), HasSubstr(std::string(key) + ": ignored: a workspace may say it only with --trust-workspace"));
}

TEST_F(ForwardWorkspace, ATrustedOneMaySetHeaders) {
  auto environment = here_;
  environment["PROXY_TRUST_WORKSPACE"] = "true";
  start(environment);
  EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
  EXPECT_EQ(header(), "first");
  EXPECT_TRUE(std::filesystem::exists(files_ / "theirs"));
  EXPECT_TRUE(api("/api/status").has("\"workspace_file\":\"" + file_.string() + "\""));
}

TEST_F(ForwardWorkspace, IsReadAgainWhenItIsSaved) {
  start(here_);
  const auto is_hit = [&] { return curl({blob(plain_)}).has("X-Cache: HIT"); };
  EXPECT_TRUE(wait_until(is_hit)) << log();
  say("['/manifests/']", "second");
  EXPECT_TRUE(wait_until([&] { return !is_hit(); })) << log();
}

TEST_F(ForwardWorkspace, FlagsNameAndTrustIt) {
  const auto shown = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments{"check", "--workspace", directory_.string()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return run_program(arguments, environment());
  };
  const auto plain = shown({});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_THAT(plain.out, HasSubstr(", under " + file_.string()));
  EXPECT_THAT(plain.out, testing::ContainsRegex("cache.patterns +/blobs/\n"));
  EXPECT_THAT(plain.err, HasSubstr("headers: ignored"));
  const auto trusted = shown({"--trust-workspace"});
  EXPECT_THAT(trusted.out, HasSubstr("X-Rule=(set)"));
  EXPECT_THAT(trusted.err, testing::Not(HasSubstr("ignored")));
  // Under its other name, too.
  const auto other = directory_ / ".propeller/proxy.yaml";
  std::filesystem::create_directories(other.parent_path());
  std::filesystem::rename(file_, other);
  EXPECT_THAT(shown({}).out, HasSubstr(", under " + other.string()));
}

TEST_F(ForwardWorkspace, WhatRunsUnderInitHasItToo) {
  support::Subprocess process(
      {.arguments = {PROPELLER_PROXY_PROGRAM, "init", "--skip-system-trust", "--skip-user-trust", "--workspace",
                     directory_.string(), "--trust-workspace", "--child", "true"},
       .environment = environment()});
  EXPECT_EQ(process.wait_exit(), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("workspace=" + file_.string()));
  EXPECT_THAT(process.output(), testing::Not(HasSubstr("ignored")));
}

}  // namespace
}  // namespace propeller::cmd
