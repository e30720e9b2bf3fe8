// The forward proxy as its users meet it: the real program, its configuration file, curl.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <deque>
#include <nlohmann/json.hpp>

#include "forward_site.hpp"
#include "http/peer.hpp"
#include "support/mosquitto.hpp"

namespace propeller::cmd {
namespace {

using namespace std::chrono_literals;
using support::wait_until;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

using ForwardRun = ForwardSite;

TEST_F(ForwardRun, CarriesHttpAndInterceptedHttpsUntilSigterm) {
  start();
  for (const auto* server : {&plain_, &secure_}) {
    const auto got = curl({blob(*server)});
    EXPECT_EQ(got.exit_code, 0) << got.output;
    EXPECT_TRUE(got.has("some bytes of a blob")) << got.output;
    EXPECT_TRUE(got.has("1.1 propeller-proxy")) << "not through the proxy: " << got.output;
  }
  stop();
}

TEST_F(ForwardRun, AnAuthorityThatHadToBeReplacedIsTold) {
  start({{"CERT_DIR", (files_ / "other").string()}});
  EXPECT_THAT(log(), Not(HasSubstr("authority was replaced")));
  stop();
  support::write_file(files_ / "other/ca.crt", "cut off");
  start({{"CERT_DIR", (files_ / "other").string()}});
  EXPECT_THAT(log(), HasSubstr("the certificate authority was replaced"));
}

TEST_F(ForwardRun, TheFileIsNamedByAFlagOfOneOrTwoDashesToo) {
  for (const char* flag : {"--config", "-config"}) {
    process_ = std::make_unique<support::Subprocess>(
        support::SubprocessOptions{.arguments = {PROPELLER_PROXY_PROGRAM, "serve", flag, config_.string()},
                                   .environment = {{"PROXY_HTTP_PORT", std::to_string(health_port_)}}});
    EXPECT_TRUE(says("proxy server started")) << log();
    EXPECT_TRUE(curl({blob(plain_)}).has("200 OK"));
    stop();
  }
}

TEST_F(ForwardRun, VariablesOfTheExistingProxiesWinOverTheFile) {
  const auto port = support::free_port();
  const auto api_port = support::free_port();
  start({{"PROXY_PORT", std::to_string(port)},
         {"API_PORT", std::to_string(api_port)},
         {"CERT_DIR", (files_ / "other").string()},
         {"LOG_FORMAT", "json"}});
  EXPECT_TRUE(support::can_connect(port));
  EXPECT_TRUE(support::can_connect(api_port));
  EXPECT_FALSE(support::can_connect(port_));
  EXPECT_TRUE(std::filesystem::exists(files_ / "other/ca.crt"));
  EXPECT_THAT(log(), HasSubstr("\"message\":\"proxy server started\""));
}

TEST_F(ForwardRun, WithoutAnyConfigurationItRunsTheDefaultAndSaysSo) {
  process_ = std::make_unique<support::Subprocess>(
      support::SubprocessOptions{.arguments = {PROPELLER_PROXY_PROGRAM, "--api-port", "0", "--http-port", "0"},
                                 .environment = {{"STATE_DIRECTORY", files_.path().string()}},
                                 .directory = "/"});
  // The only test with the port that people know.
  const auto started = process_->wait_line("api server started");
  if (!started) {
    EXPECT_THAT(log(), HasSubstr("17080")) << "only a taken port is no failure of ours";
    GTEST_SKIP() << "something else has port 17080";
  }
  EXPECT_THAT(log(), HasSubstr("nothing is configured"));
  EXPECT_TRUE(std::filesystem::exists(files_ / "cache/oci-layout"));
  EXPECT_TRUE(std::filesystem::exists(files_ / "certs/ca.crt"));
  const auto answer =
      curl({"-x", "", "http://127.0.0.1:" + started->substr(started->find("port=") + 5) + "/api/status"});
  const auto status = nlohmann::json::parse(answer.output.substr(answer.output.find("\r\n\r\n") + 4));
  EXPECT_EQ(status["cache"]["enabled"], true) << status;
  EXPECT_EQ(status["cache"]["is_storing"], true) << status;
  EXPECT_EQ(status["cache"]["bytes_max"], 21'474'836'480) << status;
  EXPECT_EQ(status["mirror"]["enabled"], true) << status;
  stop();
}

TEST_F(ForwardRun, APortThatIsTakenIsExitCodeOneAndSaysWhatToDo) {
  start();
  const auto other = std::to_string(support::free_port());
  const auto outcome = run_program({}, environment({{"PROXY_HTTP_PORT", other}, {"API_PORT", "0"}}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(port_)));
  EXPECT_THAT(outcome.err, HasSubstr("--proxy-port"));
  const auto api = run_program({}, environment({{"PROXY_HTTP_PORT", other}, {"PROXY_PORT", "0"}}));
  EXPECT_EQ(api.exit_code, 1);
  EXPECT_THAT(api.err, HasSubstr("127.0.0.1:" + std::to_string(api_port_)));
  EXPECT_THAT(api.err, HasSubstr("--api-port"));
}

TEST_F(ForwardRun, ACacheThatAnotherProcessHasIsExitCodeOne) {
  write_config(usual("cache: {enabled: true, dir: " + (files_ / "cache").string() + "}\n"));
  start();
  const auto outcome = run_program({}, environment({{"PROXY_HTTP_PORT", "0"}, {"API_PORT", "0"}, {"PROXY_PORT", "0"}}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("cache.dir"));
}

TEST_F(ForwardRun, ACacheThatCannotBeOpenedIsALogLineAndAMetricAndTheProxyServes) {
  support::write_file(files_ / "file", "");
  write_config(usual("cache: {enabled: true, dir: " + (files_ / "file").string() + "}\n"));
  start();
  EXPECT_THAT(log(), HasSubstr("the cache cannot be opened"));
  EXPECT_TRUE(curl({blob(plain_)}).has("some bytes of a blob"));
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_store_storing 0"));
}

TEST_F(ForwardRun, AListenerBeyondLoopbackNeedsUsersOrAnOpenDoor) {
  const auto listen = [&](const std::string& more) { write_config(usual_with("proxy", "listen: 0.0.0.0" + more)); };
  listen("");
  const auto outcome = run_program({}, environment());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("proxy.users"));
  EXPECT_THAT(outcome.err, HasSubstr("proxy.open: true"));
  listen("\n  open: true");
  EXPECT_EQ(run_program({"check"}, environment()).exit_code, 0);
  support::write_file(files_ / "users", "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
  listen("\n  users: " + (files_ / "users").string());
  start();
  EXPECT_TRUE(curl({blob(plain_)}).has(" 407"));
  EXPECT_TRUE(curl({"--proxy-user", "alice:123456", blob(plain_)}).has("200 OK"));
}

TEST_F(ForwardRun, BothPlanesRunInOneProcessAndEndTogether) {
  support::Mosquitto broker;
  start(complete({{"PROXY_MQTT_ADDRESS", broker.address()}, {"PROXY_SPOOL_DIR", (files_ / "spool").string()}}));
  const auto healthcheck = [&] {
    return run_program({"healthcheck", "--ready"}, {{"PROXY_HTTP_PORT", std::to_string(health_port_)}}).exit_code;
  };
  EXPECT_TRUE(wait_until([&] { return healthcheck() == 0; })) << log();
  EXPECT_TRUE(curl({blob(secure_)}).has("some bytes of a blob"));
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_bridge_requests_total "));
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_forward_reloads_total "));
  broker.stop();
  EXPECT_TRUE(wait_until([&] { return healthcheck() == 1; })) << "the bridge is down";
  EXPECT_TRUE(curl({blob(secure_)}).has("some bytes of a blob")) << "and the proxy does not care";
  stop();
}

TEST_F(ForwardRun, HealthcheckAsksAProcessThatHasNoBridge) {
  start();
  const Environment environment{{"PROXY_HTTP_PORT", std::to_string(health_port_)}};
  EXPECT_EQ(run_program({"healthcheck"}, environment).exit_code, 0);
  EXPECT_EQ(run_program({"healthcheck", "--ready"}, environment).exit_code, 0);
  stop();
  EXPECT_EQ(run_program({"healthcheck"}, environment).exit_code, 1);
}

TEST_F(ForwardRun, SigtermWaitsForARequestInProgress) {
  start();
  plain_.inject("blobs", {.kind = support::FaultKind::trickle, .bytes = 2, .pause = std::chrono::milliseconds(100)});
  support::Subprocess client(
      {.arguments = {"curl", "-sS", "--noproxy", "", "-x", "http://127.0.0.1:" + std::to_string(port_), blob(plain_)}});
  ASSERT_TRUE(wait_until([&] { return plain_.requests_with("blobs") == 1; }));
  stop();
  EXPECT_EQ(client.wait_exit(), 0) << client.output();
  client.wait_output_end();
  EXPECT_EQ(client.output(), "some bytes of a blob");
}

// Connections that had nothing to do were waited for until the process was killed.
TEST_F(ForwardRun, SigtermDoesNotWaitForConnectionsThatDoNothing) {
  start({{"PROXY_SHUTDOWN_TIMEOUT", "10m"}});
  auto silent = http::Peer::connect(port_);
  auto kept = http::Peer::connect(port_);
  kept.send("GET " + blob(plain_) + " HTTP/1.1\r\nHost: " + plain_.host() + "\r\n\r\n");
  EXPECT_TRUE(kept.read_message().ends_with("some bytes of a blob"));
  process_->signal(SIGTERM);
  EXPECT_EQ(process_->wait_exit(8s), 0) << "the silent one has ten seconds to begin\n" << log();
  EXPECT_TRUE(kept.is_ended());
  EXPECT_TRUE(silent.is_ended());
}

// An accept() that failed was tried again at once, for ever.
TEST_F(ForwardRun, OutOfDescriptorsItWaitsAndGoesOnLater) {
  start();
  const auto open_files = [&] {
    const std::filesystem::directory_iterator files("/proc/" + std::to_string(process_->pid()) + "/fd");
    return static_cast<rlim_t>(std::distance(begin(files), end(files)));
  };
  const rlim_t few = open_files() + 4;
  const rlimit limit{.rlim_cur = few, .rlim_max = few};
  ASSERT_EQ(::prlimit(process_->pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  {
    std::deque<http::Peer> clients;
    while (clients.size() < 20) clients.push_back(http::Peer::connect(port_));
    EXPECT_TRUE(wait_until([&] { return open_files() >= few; })) << open_files();
    const auto before = process_->cpu_seconds();
    EXPECT_FALSE(wait_until([&] { return process_->cpu_seconds() > before + 0.15; }, 500ms)) << "it spins";
  }
  EXPECT_TRUE(wait_until([&] { return curl({blob(plain_)}).has("200 OK"); })) << log();
}

// Those whom the rules are for could write them.
TEST_F(ForwardRun, AFileThatEverybodyMayChangeIsAWarning) {
  EXPECT_THAT(run_program({"check"}, environment()).err, Not(HasSubstr("everybody")));
  std::filesystem::permissions(config_, std::filesystem::perms::others_write, std::filesystem::perm_options::add);
  const auto outcome = run_program({"check"}, environment());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("warning: " + config_.string() + ": everybody on this machine may change it"));
}

TEST_F(ForwardRun, CheckTellsEveryProblemOfBothPlanesWithFileAndLine) {
  write_config("proxy:\n  port: 99999\n  listne: 127.0.0.1\nallowlist:\n  ips: [nowhere]\n");
  const auto outcome = run_program({"check"}, environment(complete({{"PROXY_MQTT_QOS", "7"}})));
  EXPECT_EQ(outcome.exit_code, 2);
  const auto file = config_.string();
  EXPECT_THAT(outcome.err, HasSubstr("error: " + file + ":2: proxy.port"));
  EXPECT_THAT(outcome.err, HasSubstr("error: " + file + ":3: proxy.listne"));
  EXPECT_THAT(outcome.err, HasSubstr("did you mean listen?"));
  EXPECT_THAT(outcome.err, HasSubstr("error: " + file + ":5: allowlist.ips[0]"));
  EXPECT_THAT(outcome.err, HasSubstr("error: PROXY_MQTT_QOS=\"7\""));
  EXPECT_EQ(run_program({}, environment()).exit_code, 2) << "run refuses it too";
}

TEST_F(ForwardRun, CheckShowsTheEffectiveSettingsWithoutSecrets) {
  write_config(usual("headers:\n  api.test:\n    set: {Authorization: Bearer hunter2}\n"));
  const auto outcome = run_program({"check", "--log-level", "warn"}, environment());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ContainsRegex("proxy.listen +127.0.0.1:" + std::to_string(port_)));
  EXPECT_THAT(outcome.out, ContainsRegex("logging.level +warn"));
  EXPECT_THAT(outcome.out, HasSubstr("headers[\"api.test\"]"));
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("hunter2")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("PROXY_MQTT_ADDRESS"))) << "no bridge runs";
}

TEST_F(ForwardRun, AFileThatIsNotThereOrBrokenIsAnErrorAlsoBesideABridge) {
  EXPECT_EQ(run_program({"check", "--config", "/nonexistent.yaml"}, complete()).exit_code, 2);
  support::write_file(files_ / "bad.yaml", "proxy: [\n");
  const auto outcome = run_program({"check", "--config", (files_ / "bad.yaml").string()}, complete());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("bad.yaml:"));
}

TEST_F(ForwardRun, UsersThatCannotBeReadAreFoundBeforeItStarts) {
  support::write_file(files_ / "users", "alice:plain\n");
  write_config(usual_with("proxy", "users: " + (files_ / "users").string()));
  const auto outcome = run_program({"check"}, environment());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("users: line 1"));
}

}  // namespace
}  // namespace propeller::cmd
