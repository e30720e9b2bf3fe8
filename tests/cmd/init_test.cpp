// `init`: process 1 of a container, with children that say what happens to them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "forward_site.hpp"

namespace propeller::cmd {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Says its name when it starts and when it is told to end, and goes on until then.
std::string child(std::string_view name, std::string_view traps = "") {
  return fmt::format(
      "sh -c \"trap 'echo {0} is told; exit 5' TERM INT; {1} echo {0} starts with $HTTPS_PROXY.; "
      "while :; do sleep 0.02; done\"",
      name, traps);
}

class Init : public ForwardSite {
 protected:
  void start_init(const std::vector<std::string>& children, std::vector<std::string> flags = {}) {
    auto arguments = launcher_;
    for (const auto* word : {PROPELLER_PROXY_PROGRAM, "init", "--skip-user-trust"}) arguments.emplace_back(word);
    if (!is_trust_wanted_) arguments.emplace_back("--skip-system-trust");
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    for (const auto& each : children) arguments.insert(arguments.end(), {"--child", each});
    process_ = std::make_unique<support::Subprocess>(
        support::SubprocessOptions{.arguments = std::move(arguments), .environment = environment(more_)});
  }
  int wait_exit() {
    const auto code = process_->wait_exit();
    process_->wait_output_end();
    return code.value_or(-1);
  }
  /// Whether the lines are there, each behind the one before it.
  [[nodiscard]] bool says_in_order(const std::vector<std::string>& lines) const {
    std::size_t at = 0;
    const auto said = log();
    for (const auto& line : lines) {
      at = said.find(line, at);
      if (at == std::string::npos) return false;
    }
    return true;
  }
  /// A field of /proc/PID/status: "PPid", "State"; empty when there is no such process.
  [[nodiscard]] static std::string status_of(const std::string& pid, const std::string& field) {
    std::istringstream lines(support::read_file("/proc/" + pid + "/status"));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(field + ":\t")) return line.substr(field.size() + 2);
    }
    return {};
  }
  [[nodiscard]] static std::string children_of(pid_t pid) {
    return support::read_file(fmt::format("/proc/{0}/task/{0}/children", pid));
  }

  [[nodiscard]] std::string proxy() const { return fmt::format("http://127.0.0.1:{}", port_); }

  bool is_trust_wanted_ = false;
  Environment more_;
};

TEST_F(Init, StartsTheProxyThenTheChildrenInOrderAndStopsThemInReverse) {
  start_init({child("one", "echo one is $$;"), child("two", "echo two is $$;")});
  const auto first = process_->wait_line("one is ");
  const auto second = process_->wait_line("two is ");
  ASSERT_TRUE(first && second && says("one starts") && says("two starts")) << log();
  EXPECT_LT(std::stoi(first->substr(7)), std::stoi(second->substr(7)));
  EXPECT_THAT(log(), HasSubstr("two starts with " + proxy() + "."));
  EXPECT_TRUE(curl({blob(secure_)}).has("some bytes of a blob"));
  process_->signal(SIGTERM);
  EXPECT_EQ(wait_exit(), 0) << log();
  EXPECT_TRUE(says_in_order({"two is told", "one is told", "stopping"})) << log();
}

TEST_F(Init, TheFirstChildThatEndsEndsEverythingWithItsExitCode) {
  start_init({child("one"), "sh -c 'echo short; exit 17'"});
  EXPECT_EQ(wait_exit(), 17) << log();
  EXPECT_THAT(log(), HasSubstr("sh ended with exit code 17: ending everything"));
  EXPECT_FALSE(support::can_connect(port_));
}

TEST_F(Init, AChildThatASignalKillsOrThatIsNotThereHasTheShellsExitCode) {
  start_init({"sh -c 'kill -KILL $$'"});
  EXPECT_EQ(wait_exit(), 128 + SIGKILL);
  start_init({child("one"), "no-such-program"});
  EXPECT_EQ(wait_exit(), 127) << log();
  EXPECT_THAT(log(), HasSubstr("no-such-program cannot be started"));
}

TEST_F(Init, PassesSignalsOnAndTheProxyReloadsAtHangup) {
  start_init({child("one", "trap 'echo hangup' HUP; trap 'echo first' USR1; trap 'echo second' USR2;")});
  ASSERT_TRUE(says("one starts")) << log();
  for (const auto& [signal, line] :
       std::map<int, std::string>{{SIGUSR1, "first"}, {SIGUSR2, "second"}, {SIGHUP, "hangup"}}) {
    process_->signal(signal);
    EXPECT_TRUE(says(line)) << log();
  }
  EXPECT_TRUE(says("config reloaded")) << log();
  process_->signal(SIGINT);
  EXPECT_EQ(wait_exit(), 0) << log();
}

TEST_F(Init, ReapsOrphans) {
  const auto file = files_ / "orphan";
  start_init(
      {fmt::format("sh -c \"(sh -c 'echo \\$\\$ > {0}.new; mv {0}.new {0}; exec sleep 0.1' &); echo left; "
                   "while :; do sleep 0.02; done\"",
                   file.string())});
  ASSERT_TRUE(support::wait_until([&] { return std::filesystem::exists(file); })) << log();
  auto orphan = support::read_file(file);
  orphan.pop_back();
  EXPECT_TRUE(support::wait_until([&] { return !std::filesystem::exists("/proc/" + orphan); }))
      << status_of(orphan, "State") << " of " << status_of(orphan, "PPid");
  process_->signal(SIGTERM);
  EXPECT_EQ(wait_exit(), 0);
}

TEST_F(Init, WhatDoesNotEndInTimeIsKilled) {
  start_init({"sh -c \"trap '' TERM; echo deaf starts; while :; do sleep 0.02; done\""}, {"--stop-timeout", "200ms"});
  ASSERT_TRUE(says("deaf starts")) << log();
  process_->signal(SIGTERM);
  EXPECT_EQ(wait_exit(), 0) << log();
  EXPECT_THAT(log(), HasSubstr("sh did not end in time: killed"));
}

TEST_F(Init, ASecondSignalKillsEverythingAtOnce) {
  start_init({"sh -c \"trap 'echo told' TERM; echo deaf starts; while :; do sleep 0.02; done\""},
             {"--stop-timeout", "1h"});
  ASSERT_TRUE(says("deaf starts")) << log();
  process_->signal(SIGTERM);
  ASSERT_TRUE(says("told")) << log();
  process_->signal(SIGTERM);
  EXPECT_EQ(wait_exit(), 0) << log();
}

TEST_F(Init, GoesOnWithoutTheProxyAndItsVariablesWhenItIsNotHealthy) {
  const support::FakeRegistry other;
  more_ = {{"PROXY_PORT", std::to_string(other.port())}};  // taken: it cannot listen there
  start_init({"sh -c 'echo proxy is $HTTPS_PROXY. and $SSL_CERT_FILE.'"}, {"--wait", "200ms"});
  EXPECT_EQ(wait_exit(), 0) << log();
  EXPECT_THAT(log(), HasSubstr("WARNING: the proxy is not healthy after 200ms: going on WITHOUT it"));
  EXPECT_THAT(log(), HasSubstr("proxy is . and ."));
}

TEST_F(Init, GoesOnWithoutTheProxyWhenItsConfigurationIsWrong) {
  write_config("proxy:\n  prot: 17\n");
  start_init({"echo went on"});
  EXPECT_EQ(wait_exit(), 0) << log();
  EXPECT_TRUE(says_in_order({"unknown key; did you mean port?", "going on WITHOUT the proxy", "went on"})) << log();
}

TEST_F(Init, StartsTheProxyAgainWhenItEnds) {
  start_init({child("one")});
  ASSERT_TRUE(says("one starts")) << log();
  const auto first = std::stoi(children_of(process_->pid()));
  ::kill(first, SIGKILL);
  ASSERT_TRUE(says("the proxy was ended by signal 9: it is started again")) << log();
  EXPECT_TRUE(support::wait_until([this] { return api("/health").has("\"status\":\"ok\""); })) << log();
  EXPECT_THAT(log(), Not(HasSubstr("one is told")));
  process_->signal(SIGTERM);
  EXPECT_EQ(wait_exit(), 0);
}

/// Runs what follows in namespaces of its own: as root there, also for a user who is none.
std::vector<std::string> unshared(std::vector<std::string> how) {
  std::vector<std::string> launcher{"unshare"};
  if (::geteuid() != 0) launcher.insert(launcher.end(), {"--user", "--map-root-user"});
  launcher.insert(launcher.end(), std::make_move_iterator(how.begin()), std::make_move_iterator(how.end()));
  return launcher;
}

// Process 1 of a namespace gets no signal that it has not asked for.
TEST_F(Init, IsProcess1OfAPidNamespace) {
  launcher_ = unshared({"--pid", "--fork", "--kill-child"});
  start_init({child("one"), "sh -c '(sleep 0.05 &); echo parent $PPID; while :; do sleep 0.02; done'"});
  ASSERT_TRUE(says("parent 1")) << log();
  const auto init = std::stoi(children_of(process_->pid()));
  // The proxy, two children, and nobody who has ended.
  EXPECT_TRUE(support::wait_until([&] {
    std::istringstream pids(children_of(init));
    int count = 0;
    for (std::string pid; pids >> pid; ++count) {
      if (status_of(pid, "State").starts_with("Z")) return false;
    }
    return count == 3;
  })) << children_of(init);
  ::kill(init, SIGTERM);
  EXPECT_EQ(wait_exit(), 0) << log();
  EXPECT_THAT(log(), HasSubstr("one is told"));
}

// A tree of its own for the system's certificates, and Debian's tool as it is on a system without any others.
TEST_F(Init, InstallsTheAuthorityInTheSystemsTrustBeforeAnythingStarts) {
  is_trust_wanted_ = true;
  const auto tool = files_ / "bin/update-ca-certificates";
  std::filesystem::create_directory(files_ / "bin");
  support::write_file(tool,
                      "#!/bin/sh\ncat /usr/local/share/ca-certificates/*.crt > /etc/ssl/certs/ca-certificates.crt\n");
  std::filesystem::permissions(tool, std::filesystem::perms(0755));
  more_ = {{"PATH", (files_ / "bin").string() + ":" + ::getenv("PATH")}};
  launcher_ = unshared({"--mount", "sh", "-c",
                        "for d in /usr/local/share/ca-certificates /etc/ssl/certs; do mount -t tmpfs none $d; done; "
                        "exec \"$0\" \"$@\""});
  start_init({"sh -c 'cat /etc/ssl/certs/ca-certificates.crt; sed s/^/bundle:/ $SSL_CERT_FILE'"});
  EXPECT_EQ(wait_exit(), 0) << log();
  const auto authority = support::read_file(files_ / "certs/ca.crt");
  EXPECT_THAT(log(), HasSubstr("system (Debian, Alpine): trusted"));
  EXPECT_THAT(log(), HasSubstr(authority));
  EXPECT_THAT(log(), HasSubstr("bundle:-----BEGIN"));
}

TEST_F(Init, NeedsACommandThatIsOne) {
  EXPECT_EQ(run_program({"init"}, environment()).exit_code, 2);
  const auto outcome = run_program({"init", "--child", "sh -c 'oops"}, environment());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("a quote without its end"));
  std::vector<std::string> many{"init"};
  for (int i = 0; i < 65; ++i) many.insert(many.end(), {"--child", "true"});
  EXPECT_EQ(run_program(many, environment()).exit_code, 2);
}

}  // namespace
}  // namespace propeller::cmd
