// `env` and `exec`: programs that are pointed at the proxy by variables alone.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "forward_site.hpp"
#include "launch/trust_bundle.hpp"

namespace propeller::cmd {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ClientEnv : public ForwardSite {
 protected:
  /// To its end, with the site's configuration; standard error is in the output.
  [[nodiscard]] Fetched run(std::vector<std::string> arguments, const Environment& more = {}) const {
    support::Subprocess process({.arguments = std::move(arguments), .environment = environment(more)});
    const auto code = process.wait_exit();
    process.wait_output_end();
    return {code.value_or(-1), process.output()};
  }
  [[nodiscard]] Fetched exec(const std::vector<std::string>& words, const Environment& more = {}) const {
    std::vector<std::string> arguments{PROPELLER_PROXY_PROGRAM, "exec"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run(std::move(arguments), more);
  }
};

// curl would go to loopback directly, as NO_PROXY says; --noproxy takes that back and nothing else.
constexpr const char* kFetch = R"sh(eval "$("$PROGRAM" env)" && exec curl -sS -D - --noproxy '' "$URL")sh";

TEST_F(ClientEnv, AShellThatEvaluatesItGetsThroughTheInterceptingProxy) {
  start();
  const auto fetched = run({"sh", "-c", kFetch}, {{"PROGRAM", PROPELLER_PROXY_PROGRAM}, {"URL", blob(secure_)}});
  EXPECT_EQ(fetched.exit_code, 0) << fetched.output;
  EXPECT_TRUE(fetched.has("via: 1.1 propeller-proxy")) << fetched.output;
  EXPECT_TRUE(fetched.has("some bytes of a blob"));
  EXPECT_EQ(secure_.requests().size(), 1U);
}

TEST_F(ClientEnv, ADirectoryWithQuotesAndDollarsIsStillOneWord) {
  const auto directory = (files_ / R"(it's "my" $HOME \ %h)").string();
  const Environment site{{"PROXY_CERT_DIR", directory}};
  start(site);
  auto more = site;
  more.merge(Environment{{"PROGRAM", PROPELLER_PROXY_PROGRAM}, {"URL", blob(secure_)}});
  const auto fetched = run({"sh", "-c", kFetch}, more);
  EXPECT_TRUE(fetched.has("some bytes of a blob")) << fetched.output;
}

TEST_F(ClientEnv, TheRunningProxyHasMadeTheBundleOfTheSystemsAuthoritiesAndOurs) {
  start();
  const auto bundle = support::read_file(files_ / "certs/bundle.crt");
  EXPECT_TRUE(bundle.ends_with(support::read_file(files_ / "certs/ca.crt")));
  const auto files = launch::system_authority_files();
  const auto systems = std::ranges::find_if(files, [](const auto& file) { return std::filesystem::exists(file); });
  ASSERT_NE(systems, files.end()) << "this system trusts nobody: install ca-certificates";
  EXPECT_TRUE(bundle.starts_with(support::read_file(*systems)));
}

TEST_F(ClientEnv, WithoutAnAuthorityNothingIsPrintedThatWouldBreakTheShell) {
  const auto outcome = run_program({"env"}, environment());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("there is no certificate of our authority"));
}

TEST_F(ClientEnv, OtherFormsAndAnotherHostArePrinted) {
  start();
  const auto port = std::to_string(port_);
  const auto systemd = run_program({"env", "--shell", "systemd"}, environment());
  EXPECT_THAT(systemd.out, HasSubstr("[Service]\nEnvironment=\"HTTP_PROXY=http://127.0.0.1:" + port + "\"\n"));
  const auto fish = run_program({"env", "--shell", "fish"}, environment({{"NO_PROXY", "corp.example"}}));
  EXPECT_THAT(fish.out, HasSubstr("set -gx no_proxy 'corp.example,localhost,127.0.0.1,::1'\n"));
  const auto docker = run_program({"env", "--shell", "docker", "--host", "172.17.0.1"}, environment());
  EXPECT_THAT(docker.out, HasSubstr("\nhttps_proxy=http://172.17.0.1:" + port + "\n"));
  EXPECT_THAT(docker.out, HasSubstr("\nNODE_EXTRA_CA_CERTS=" + (files_ / "certs/ca.crt").string() + "\n"));
}

TEST_F(ClientEnv, AnUnknownFormAndAPortThatNobodyKnowsAreRefused) {
  EXPECT_EQ(run_program({"env", "--shell", "csh"}, environment()).exit_code, 2);
  const auto outcome = run_program({"env"}, environment({{"PROXY_PORT", "0"}}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("nobody knows beforehand"));
}

TEST_F(ClientEnv, AProxyThatWantsANameIsToldOf) {
  write_config(usual_with("proxy", "users: " + (files_ / "users").string()));
  support::write_file(files_ / "users", "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
  start();
  EXPECT_THAT(run_program({"env"}, environment()).err, HasSubstr("warning: proxy.users is set"));
}

TEST_F(ClientEnv, ExecStartsWithTheVariablesAndTheExitCodeIsTheProgramsOwn) {
  start();
  const auto outcome = exec({"--", "sh", "-c", "echo $HTTPS_PROXY $CURL_CA_BUNDLE; exit 23"});
  EXPECT_EQ(outcome.exit_code, 23);
  EXPECT_TRUE(outcome.has("http://127.0.0.1:" + std::to_string(port_) + " " + (files_ / "certs/bundle.crt").string()))
      << outcome.output;
}

// We ignore SIGPIPE, and what is ignored stays so over execve.
TEST_F(ClientEnv, ExecHandsSignalsOnAsTheyAreByDefault) {
  start();
  EXPECT_EQ(exec({"--", "sh", "-c", "kill -PIPE $$; exit 0"}).exit_code, 128 + SIGPIPE);
}

TEST_F(ClientEnv, ExecWaitsUntilTheProxyIsThere) {
  support::Subprocess waiting({.arguments = {PROPELLER_PROXY_PROGRAM, "exec", "--", "sh", "-c", "echo it is there"},
                               .environment = environment()});
  EXPECT_FALSE(waiting.wait_line("it is there", std::chrono::milliseconds(100)));
  start();
  EXPECT_TRUE(waiting.wait_line("it is there")) << waiting.output();
  EXPECT_EQ(waiting.wait_exit(), 0);
}

TEST_F(ClientEnv, ExecNeedsNoTokenToSeeThatTheProxyIsThere) {
  write_config(usual("api:\n  auth: token\n"));
  start();
  EXPECT_EQ(exec({"--", "true"}).exit_code, 0);
}

TEST_F(ClientEnv, ExecStartsNothingWithoutAProxy) {
  const auto outcome = exec({"--wait", "150ms", "--", "sh", "-c", "echo started"});
  EXPECT_EQ(outcome.exit_code, 125);
  EXPECT_THAT(outcome.output, Not(HasSubstr("started")));
  EXPECT_THAT(outcome.output, HasSubstr("does not answer on 127.0.0.1 port " + std::to_string(api_port_)));
}

TEST_F(ClientEnv, ExecSaysWhatCannotBeStarted) {
  start();
  EXPECT_EQ(exec({"--", "no-such-program"}).exit_code, 127);
  EXPECT_EQ(exec({"--", config_.string()}).exit_code, 126);
  EXPECT_EQ(exec({}).exit_code, 2);
  EXPECT_EQ(exec({"--wait", "soon", "--", "true"}).exit_code, 2);
}

}  // namespace
}  // namespace propeller::cmd
