#include "config/forward_loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Host kNowhere{.is_root = false, .working_directory = "/nonexistent"};

/// As the existing proxies ship them.
constexpr auto kShippedDefault = R"(proxy:
  port: 17080
  api_port: 17081

tls:
  cert_dir: ./certs

allowlist:
  enabled: false

headers: {}

logging:
  level: info
  format: text
)";
constexpr auto kNewestDefault = R"(proxy:
  port: 17080
  api_port: 17081
tls:
  cert_dir: /.data/proxy/certs
cache:
  enabled: true
  dir: /.data/cache/proxy
  max_size: 21474836480
  content_aware: true
  patterns:
    - "^/registry-v2/docker/registry/v2/blobs/sha256/"
allowlist:
  enabled: false
headers: {}
logging:
  level: info
  format: text
recording:
  enabled: true
  dir: /.data/proxy/recordings
  max_body_size: 10485760
)";
constexpr auto kExampleRules = R"(allowlist:
  enabled: false
  domains:
    - "api.anthropic.com"
    - "*.github.com"
    - "*.openai.com"
  ips:
    - "192.168.1.100"
    - "10.0.0.0/8"
headers:
  "api.anthropic.com":
    set:
      "X-Request-Source": "discobot-proxy"
  "*.github.com":
    set:
      "X-Request-Source": "discobot-proxy"
    append:
      "X-Forwarded-For": "proxy.internal"
  "api.example.com":
    conditions:
      - header: "X-Environment"
        equals: "production"
      - header: "X-Region"
        equals: "us-east-1"
    set:
      "Authorization": "Bearer prod-token"
      "X-Custom-Header": "custom-value"
    append:
      "Via": "1.1 discobot-proxy"
logging:
  level: info             # debug, info, warn, error
  format: text            # text (human readable) or json (structured)
  file: ""                # Log file path, empty for stdout
  include_body: false
)";

ForwardLoaded load_text(const std::string& text, Environment environment = {}, const Flags& flags = {}) {
  const TemporaryDirectory files;
  environment["CONFIG_FILE"] = files.write("p.yaml", text).string();
  return load_forward(environment, flags, kNowhere);
}

TEST(ForwardLoader, FilesOfTheExistingProxiesWorkUnchanged) {
  for (const auto* text : {kShippedDefault, kNewestDefault, kExampleRules}) {
    const auto loaded = load_text(text);
    EXPECT_THAT(loaded.problems.errors, IsEmpty()) << text;
    EXPECT_THAT(loaded.problems.warnings, IsEmpty()) << text;
  }
  const auto newest = load_text(kNewestDefault).settings;
  EXPECT_TRUE(newest.cache.is_enabled);
  EXPECT_EQ(newest.cache.dir, "/.data/cache/proxy");
  EXPECT_THAT(newest.cache.patterns, ElementsAre("^/registry-v2/docker/registry/v2/blobs/sha256/"));
  EXPECT_EQ(newest.recording.body_size_max_bytes, 10485760);
  EXPECT_EQ(load_text(kExampleRules).settings.rules.headers.size(), 3U);
}

TEST(ForwardLoader, WithoutAnyFileRegistryCachingIsOn) {
  const auto loaded = load_forward({{"HOME", "/h"}}, {}, kNowhere);
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_TRUE(loaded.file.empty());
  EXPECT_TRUE(loaded.settings.cache.is_enabled);
  EXPECT_EQ(loaded.settings.cache.patterns, registry_patterns());
  EXPECT_EQ(loaded.settings.cache.size_max_bytes, 20 * base::kGiB);
  EXPECT_EQ(loaded.settings.cache.dir, "/h/.local/state/propeller-proxy/cache");
  EXPECT_EQ(loaded.settings.api.token_file, "/h/.local/state/propeller-proxy/certs/api.token");
  EXPECT_FALSE(loaded.settings.rules.allowlist.is_enabled);
  EXPECT_FALSE(loaded.settings.recording.is_enabled);
}

TEST(ForwardLoader, StateIsKeptWhereServicesKeepIt) {
  const auto dir = [](const Environment& environment, bool is_root) {
    return load_forward(environment, {}, {.is_root = is_root, .working_directory = "/nonexistent"}).settings.cache.dir;
  };
  EXPECT_EQ(dir({{"STATE_DIRECTORY", "/s:/t"}, {"HOME", "/h"}}, true), "/s/cache");
  EXPECT_EQ(dir({{"HOME", "/h"}}, true), "/var/lib/propeller-proxy/cache");
  EXPECT_EQ(dir({{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}}, false), "/x/propeller-proxy/cache");
  EXPECT_EQ(dir({}, false), "/nonexistent/cache");
}

TEST(ForwardLoader, TheFileIsNamedByFlagThenVariableThenFoundInTheWorkingDirectory) {
  const TemporaryDirectory files;
  const auto named = files.write("a.yaml", "threads: 1\n").string();
  const auto other = files.write("b.yaml", "threads: 2\n").string();
  files.write("propeller-proxy.yaml", "threads: 3\n");
  const Host here{.is_root = false, .working_directory = files.path()};
  EXPECT_EQ(load_forward({{"CONFIG_FILE", other}}, {{"--config", named}}, here).settings.threads, 1U);
  EXPECT_EQ(load_forward({{"CONFIG_FILE", other}}, {}, here).settings.threads, 2U);
  EXPECT_EQ(load_forward({}, {}, here).settings.threads, 3U);
  EXPECT_EQ(load_forward({}, {}, here).file, files.path() / "propeller-proxy.yaml");
}

TEST(ForwardLoader, AFlagWinsOverASpecificVariableOverAGeneralOneOverTheFile) {
  const std::string text = "proxy: {port: 1, api_port: 2}\ntls: {cert_dir: /f}\nlogging: {level: warn}\n";
  EXPECT_EQ(load_text(text).settings.proxy.listen.at(0).port, 1);
  Environment environment{{"API_PORT", "3"}, {"CERT_DIR", "/g"}, {"LOG_LEVEL", "error"}};
  auto settings = load_text(text, environment).settings;
  EXPECT_EQ(settings.api.listen.port, 3);
  EXPECT_EQ(settings.tls.cert_dir, "/g");
  EXPECT_EQ(settings.api.token_file, "/g/api.token");
  EXPECT_EQ(settings.log.level, "error");
  environment.insert({{"PROXY_API_PORT", "4"}, {"PROXY_CERT_DIR", "/s"}, {"PROXY_LOG_LEVEL", "debug"}});
  settings = load_text(text, environment).settings;
  EXPECT_EQ(settings.api.listen.port, 4);
  EXPECT_EQ(settings.tls.cert_dir, "/s");
  EXPECT_EQ(settings.log.level, "debug");
  settings =
      load_text(text, environment, {{"--api-port", "5"}, {"--cert-dir", "/x"}, {"--log-level", "info"}}).settings;
  EXPECT_EQ(settings.api.listen.port, 5);
  EXPECT_EQ(settings.tls.cert_dir, "/x");
  EXPECT_EQ(settings.log.level, "info");
}

TEST(ForwardLoader, ThePortAndTheFormatComeFromTheEnvironmentToo) {
  const auto loaded = load_text("proxy: {listen: ['127.0.0.1', '::1']}", {{"PROXY_PORT", "0"}, {"LOG_FORMAT", "json"}});
  EXPECT_TRUE(loaded.is_port_given);
  EXPECT_EQ(loaded.settings.proxy.listen, (std::vector<Endpoint>{{"127.0.0.1", 0}, {"::1", 0}}));
  EXPECT_EQ(loaded.settings.log.format, LogFormat::json);
  EXPECT_FALSE(load_text("proxy: {port: 5}").is_port_given);
}

TEST(ForwardLoader, ABadVariableIsAnErrorThatNamesIt) {
  EXPECT_THAT(load_text("", {{"PROXY_PORT", "x"}}).problems.errors,
              ElementsAre(HasSubstr("PROXY_PORT=\"x\": allowed")));
  EXPECT_THAT(load_text("", {{"API_PORT", "70000"}}).problems.errors, ElementsAre(HasSubstr("API_PORT=\"70000\"")));
  EXPECT_THAT(load_text("", {{"LOG_FORMAT", "xml"}}).problems.errors, ElementsAre(HasSubstr("LOG_FORMAT=\"xml\"")));
}

TEST(ForwardLoader, AFileThatIsNamedHasToBeThereAndReadable) {
  EXPECT_THAT(load_forward({{"CONFIG_FILE", "/nonexistent.yaml"}}, {}, kNowhere).problems.errors,
              ElementsAre("CONFIG_FILE=\"/nonexistent.yaml\": there is no such file"));
  EXPECT_THAT(load_forward({}, {{"--config", "/"}}, kNowhere).problems.errors, ElementsAre(HasSubstr("--config")));
}

TEST(ForwardLoader, ATextThatIsNotYamlIsOneErrorWithItsLine) {
  const auto errors = load_text("proxy:\n  port: [\n").problems.errors;
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_THAT(errors[0], testing::MatchesRegex(".*/p\\.yaml:[23]: .*"));
}

TEST(ForwardLoader, TheTwoPortsHaveToDiffer) {
  EXPECT_THAT(load_text("proxy:\n  port: 9\n  api_port: 9\n").problems.errors,
              ElementsAre(HasSubstr("p.yaml:3: proxy.api_port: 9 is the port of the proxy too")));
  EXPECT_THAT(load_text("", {{"PROXY_PORT", "17081"}}).problems.errors, ElementsAre(HasSubstr("17081")));
  EXPECT_THAT(load_text("", {{"PROXY_PORT", "0"}, {"API_PORT", "0"}}).problems.errors, IsEmpty());
}

TEST(ForwardLoader, AListenerBeyondLoopbackNeedsUsersOrToBeOpen) {
  const TemporaryDirectory files;
  const auto users = files.write("htpasswd", "u:x\n").string();
  EXPECT_THAT(load_text("proxy:\n  listen: 0.0.0.0\n").problems.errors,
              ElementsAre(HasSubstr("p.yaml:2: proxy.listen: 0.0.0.0 can be reached by others")));
  EXPECT_THAT(load_text("proxy: {listen: ['127.0.0.1', '::']}").problems.errors, testing::SizeIs(1));
  EXPECT_THAT(load_text("proxy: {listen: 0.0.0.0, open: true}").problems.errors, IsEmpty());
  EXPECT_THAT(load_text("proxy: {listen: 0.0.0.0, users: " + users + "}").problems.errors, IsEmpty());
  EXPECT_THAT(load_text("proxy: {listen: ['127.9.9.9', '::1']}").problems.errors, IsEmpty());
}

TEST(ForwardLoader, EveryVariableHasANameAFlagAndAHelp) {
  for (const auto& variable : forward_variables()) {
    EXPECT_FALSE(variable.names[0].empty());
    EXPECT_THAT(std::string(variable.flag), testing::StartsWith("--"));
    EXPECT_FALSE(variable.help.empty());
  }
}

TEST(Loader, KnowsTheVariablesOfTheForwardProxy) {
  EXPECT_THAT(load_complete_with({{"PROXY_PORT", "17080"}, {"PROXY_CERT_DIR", "/c"}}).problems.warnings, IsEmpty());
}

}  // namespace
}  // namespace propeller::config
