// The configuration file is read again when it is saved, and at SIGHUP.
#include <gmock/gmock.h>

#include <csignal>

#include "forward/scripted_origin.hpp"
#include "forward_site.hpp"

namespace propeller::cmd {
namespace {

using support::wait_until;
using testing::HasSubstr;

class ForwardReload : public ForwardSite {
 protected:
  [[nodiscard]] std::string rule(const std::string& value) const {
    return usual("headers:\n  127.0.0.1:\n    set: {X-Rule: " + value + "}\n");
  }
  /// What the rules make of a request now.
  [[nodiscard]] std::string seen() {
    (void)curl({blob(plain_)});
    return plain_.requests().empty() ? "" : plain_.requests().back().field("x-rule");
  }
  [[nodiscard]] bool becomes(const std::string& value) {
    return wait_until([&] { return seen() == value; });
  }
  /// As editors save: another file, moved over it.
  void save(const std::string& text) {
    support::write_file(files_ / "draft", text);
    std::filesystem::rename(files_ / "draft", config_);
  }
};

TEST_F(ForwardReload, RulesOfASavedFileHoldFromTheNextRequestOn) {
  start();
  EXPECT_EQ(seen(), "");
  save(rule("saved"));
  EXPECT_TRUE(becomes("saved")) << log();
  write_config(usual("allowlist: {enabled: true}\n"));
  EXPECT_TRUE(wait_until([&] { return curl({blob(plain_)}).has(" 403"); })) << log();
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_forward_reloads_total 2"));
}

// As Kubernetes exchanges the files of a volume: a link to the folder they are in.
TEST_F(ForwardReload, AFolderThatIsExchangedBehindALinkIsSeen) {
  for (const auto* name : {"one", "two"}) {
    std::filesystem::create_directories(files_ / name);
    support::write_file(files_ / name / "proxy.yaml", rule(name));
  }
  std::filesystem::create_directory_symlink("one", files_ / "current");
  std::filesystem::remove(config_);
  std::filesystem::create_symlink("current/proxy.yaml", config_);
  start();
  EXPECT_EQ(seen(), "one");
  std::filesystem::create_directory_symlink("two", files_ / "next");
  std::filesystem::rename(files_ / "next", files_ / "current");
  EXPECT_TRUE(becomes("two")) << log();
}

TEST_F(ForwardReload, ABrokenFileChangesNothingAndIsTold) {
  write_config(rule("good"));
  start();
  save(rule("bad") + "unknown_key: 1\n");
  EXPECT_TRUE(says("config reload error"));
  EXPECT_EQ(seen(), "good");
  EXPECT_TRUE(api("/api/status").has("unknown_key"));
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_forward_reload_failures_total 1"));
  save(rule("mended"));
  EXPECT_TRUE(becomes("mended"));
  EXPECT_TRUE(api("/api/status").has("\"reload_error\":\"\""));
}

TEST_F(ForwardReload, WhatNeedsARestartIsNamedAndKeepsItsValue) {
  start();
  auto text = rule("saved");
  text.replace(text.find("threads: 2"), 10, "threads: 1");
  text.replace(text.find(std::to_string(port_)), std::to_string(port_).size(), std::to_string(support::free_port()));
  save(text);
  EXPECT_TRUE(becomes("saved")) << "the rest is taken, on the old port";
  EXPECT_TRUE(says("keys=threads,proxy.listen")) << log();
  EXPECT_TRUE(api("/api/status").has("\"needs_restart\":[\"threads\",\"proxy.listen\"]"));
  save(rule("again"));
  EXPECT_TRUE(becomes("again"));
  EXPECT_TRUE(api("/api/status").has("\"needs_restart\":[]")) << "they are as they were";
}

TEST_F(ForwardReload, WhatIsKeptIsDecidedByTheSavedFile) {
  forward::ScriptedOrigin origin(
      [](const support::SeenRequest&) { return forward::scripted(200, "Cache-Control: max-age=600\r\n", "page"); });
  const auto cache = [&](const std::string& keys) {
    return usual("cache: {enabled: true, min_free: 0, dir: " + (files_ / "cache").string() + keys + "}\n");
  };
  write_config(cache(""));
  start();
  const auto is_hit = [&] { return curl({origin.url()}).has("X-Cache: HIT"); };
  EXPECT_TRUE(wait_until(is_hit));
  save(cache(", http: off"));
  EXPECT_TRUE(wait_until([&] { return !is_hit(); })) << log();
  save(cache(", http: on"));
  EXPECT_TRUE(wait_until(is_hit)) << log();
}

// A save of any key threw away what the API had set.
TEST_F(ForwardReload, RulesOfTheApiStayUntilTheFilesRulesChange) {
  start();
  EXPECT_TRUE(api("/api/config", {"-d", R"({"headers":{"127.0.0.1":{"set":{"X-Rule":"api"}}}})"}).has("\"ok\""));
  EXPECT_EQ(seen(), "api");
  save(usual("logging: {level: debug}\n"));
  EXPECT_TRUE(says("config reloaded changed=logging.level")) << log();
  EXPECT_EQ(seen(), "api");
  save(rule("file"));
  EXPECT_TRUE(becomes("file"));
  EXPECT_TRUE(says("replace those that the API had set")) << log();
}

TEST_F(ForwardReload, SighupReadsTheFileOfUsersAgain) {
  support::write_file(files_ / "users", "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
  write_config(usual_with("proxy", "users: " + (files_ / "users").string()));
  start();
  EXPECT_TRUE(curl({"--proxy-user", "alice:123456", blob(plain_)}).has("200 OK"));
  support::write_file(files_ / "users", "bob:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");
  process_->signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] { return curl({"--proxy-user", "alice:123456", blob(plain_)}).has(" 407"); })) << log();
  EXPECT_TRUE(curl({"--proxy-user", "bob:123456", blob(plain_)}).has("200 OK"));
}

TEST_F(ForwardReload, SighupOpensALogFileThatWasMovedAwayAnew) {
  const auto file = files_ / "proxy.log";
  write_config(usual("logging: {file: " + file.string() + "}\n"));
  process_ = std::make_unique<support::Subprocess>(
      support::SubprocessOptions{.arguments = {PROPELLER_PROXY_PROGRAM}, .environment = environment()});
  ASSERT_TRUE(wait_until([&] {
    return std::filesystem::exists(file) && support::read_file(file).find("api server started") != std::string::npos;
  })) << log();
  EXPECT_EQ(log(), "") << "nothing on standard error";
  std::filesystem::rename(file, files_ / "proxy.log.1");
  process_->signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] {
    return std::filesystem::exists(file) && support::read_file(file).find("config reloaded") != std::string::npos;
  }));
  stop();
}

TEST_F(ForwardReload, AccessOfTheApiAndTargetsFollowTheFile) {
  start();
  auto text = usual("api: {auth: token}\n");
  const std::string targets = "[127.0.0.0/8]";
  text.replace(text.find(targets), targets.size(), "[]");
  save(text);
  EXPECT_TRUE(wait_until([&] { return api("/health").has("401 Unauthorized"); })) << log();
  EXPECT_TRUE(curl({blob(plain_)}).has(" 403"));
}

TEST_F(ForwardReload, PassthroughFollowsTheFile) {
  start();
  EXPECT_EQ(curl({blob(secure_, "localhost")}).exit_code, 0);
  save(usual_with("tls", "passthrough: [localhost]"));
  EXPECT_TRUE(wait_until([&] { return curl({blob(secure_, "localhost")}).exit_code == 60; })) << log();
}

}  // namespace
}  // namespace propeller::cmd
