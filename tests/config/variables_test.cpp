#include "config/variables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::HasSubstr;

/// A value that differs from the default, and how `check` shows it.
struct Sample {
  std::string value;
  std::string shown;
  Environment besides;  ///< what the value needs in order to be allowed
};

std::map<std::string_view, Sample> samples(const TemporaryDirectory& files) {
  const auto pem = files.write("x.pem", "pem").string();
  const auto docker = files.write("docker/config.json", "{}").string();
  const auto toml = files.write("ids.toml", "[proxy]\n").string();
  const Environment tls{{"PROXY_MQTT_ADDRESS", "ssl://broker"}};
  const auto login = [](std::string name, std::string value) {
    Environment all{{"PROXY_AUTHENTICATE", "1"}, {"PROXY_REGISTRY_USERNAME", "u"}, {"PROXY_REGISTRY_PASSWORD", "w"}};
    all[name] = value;
    return all;
  };
  auto with_key = tls;
  with_key["PROXY_MQTT_TLS_CLIENT_KEY"] = pem;
  auto with_cert = tls;
  with_cert["PROXY_MQTT_TLS_CLIENT_CERT"] = pem;
  return {
      {"PROXY_MQTT_ADDRESS", {"wss://broker.example.org:8084/mqtt", "wss://broker.example.org:8084/mqtt", {}}},
      {"PROXY_MQTT_VERSION", {"5", "5", {}}},
      {"PROXY_MQTT_QOS", {"2", "2", {}}},
      {"PROXY_MQTT_TIMEOUT", {"45s", "45s", {}}},
      {"PROXY_MQTT_INFLIGHT", {"7", "7", {}}},
      {"PROXY_MQTT_SHARE_GROUP", {"bridges", "bridges", {{"PROXY_DOMAIN_ID", "d1"}}}},
      {"PROXY_MQTT_TLS_CA_CERT", {pem, pem, tls}},
      {"PROXY_MQTT_TLS_CLIENT_CERT", {pem, pem, with_key}},
      {"PROXY_MQTT_TLS_CLIENT_KEY", {pem, pem, with_cert}},
      {"PROXY_MQTT_TLS_INSECURE_SKIP_VERIFY", {"TRUE", "true", tls}},
      {"PROXY_PROPLET_ID", {"other", "other", {}}},
      {"PROXY_PROPLET_KEY", {"hunter2", "(set)", {}}},
      {"PROXY_CHANNEL_ID", {"c7,c8", "c7,c8", {}}},
      {"PROXY_DOMAIN_ID", {"d9", "d9", {}}},
      {"PROXY_TOPIC_FAMILY", {"domain-messages", "domain-messages", {{"PROXY_DOMAIN_ID", "d1"}}}},
      {"PROXY_CHANNEL_PROFILE", {"embedded", "embedded", {}}},
      {"PROXY_CONFIG_FILE", {toml, toml, {}}},
      {"PROXY_REGISTRY_URL", {"http://localhost:5000", "http://localhost:5000", {}}},
      {"PROXY_AUTHENTICATE", {"T", "true", {{"PROXY_REGISTRY_TOKEN", "t"}}}},
      {"PROXY_REGISTRY_USERNAME", {"ann", "ann", login("PROXY_REGISTRY_PASSWORD", "w")}},
      {"PROXY_REGISTRY_PASSWORD", {"hunter2", "(set)", login("PROXY_REGISTRY_USERNAME", "u")}},
      {"PROXY_REGISTRY_TOKEN", {"hunter2", "(set)", {{"PROXY_AUTHENTICATE", "1"}}}},
      {"DOCKER_CONFIG", {(files.path() / "docker").string(), docker, {}}},
      {"PROXY_REGISTRY_CA_CERT", {pem, pem, {}}},
      {"PROXY_REGISTRY_ALLOW", {"ghcr.io, 10.0.0.0/8", "ghcr.io,10.0.0.0/8", {}}},
      {"PROXY_REGISTRY_PROXY", {"http://u:hunter2@proxy:3128", "http://***@proxy:3128", {}}},
      {"PROXY_REGISTRY_FIRST_BYTE_TIMEOUT", {"3s", "3s", {}}},
      {"PROXY_REGISTRY_STALL_TIMEOUT", {"1m", "1m", {}}},
      {"PROXY_REGISTRY_ATTEMPTS", {"2", "2", {}}},
      {"PROXY_REGISTRY_FALLBACK_LATEST", {"true", "true", {}}},
      {"PROXY_CHUNK_SIZE", {"64KiB", "65536", {}}},
      {"PROXY_CHANNEL_CAPACITY", {"4", "4", {}}},
      {"PROXY_MAX_IMAGE_SIZE", {"10MiB", "10485760", {}}},
      {"PROXY_MAX_TRANSFERS", {"3", "3", {}}},
      {"PROXY_PASS_THROUGH", {"1", "true", {}}},
      {"PROXY_SPOOL_DIR", {"/srv/spool", "/srv/spool", {}}},
      {"PROXY_SPOOL_SIZE", {"4GiB", "4294967296", {}}},
      {"PROXY_CACHE", {"off", "off", {}}},
      {"PROXY_CACHE_DIR", {"/srv/cache", "/srv/cache", {}}},
      {"PROXY_CACHE_SIZE", {"3GiB", "3221225472", {}}},
      {"PROXY_HTTP_PORT", {"8080", "8080", {}}},
      {"PROXY_HTTP_ADDRESS", {"0.0.0.0", "0.0.0.0", {}}},
      {"PROXY_LOG_LEVEL", {"DEBUG", "debug", {}}},
      {"PROXY_LOG_FORMAT", {"json", "json", {}}},
      {"PROXY_SHUTDOWN_TIMEOUT", {"5", "5s", {}}},
  };
}

// Wired: a variable that is in the table but does not reach its settings field fails here, under each of its names.
TEST(Variables, EachChangesItsSettingUnderEachOfItsNames) {
  const TemporaryDirectory files;
  const auto all = samples(files);
  for (const auto& variable : variables()) {
    const auto sample = all.find(variable.name);
    ASSERT_NE(sample, all.end()) << variable.name << " has no sample in this test";
    for (const auto name : variable.names()) {
      SCOPED_TRACE(name);
      Environment environment = sample->second.besides;
      environment.erase(std::string(variable.name));
      environment.merge(complete());
      auto without = environment;
      without.erase(std::string(variable.name));
      environment.erase(std::string(variable.name));
      environment[std::string(name)] = sample->second.value;
      const Host host{.is_root = false, .working_directory = "/nonexistent"};
      const auto loaded = load(environment, {}, host);
      EXPECT_THAT(loaded.problems.errors, testing::IsEmpty());
      EXPECT_EQ(variable.show(loaded.settings), sample->second.shown);
      EXPECT_NE(variable.show(load(without, {}, host).settings), sample->second.shown);
      EXPECT_EQ(loaded.origins.at(std::string(variable.name)), name);
    }
  }
}

TEST(Variables, EachExceptSecretsCanBeGivenAsAFlagThatWins) {
  const TemporaryDirectory files;
  const auto all = samples(files);
  for (const auto& variable : variables()) {
    if (variable.is_secret) continue;
    for (const auto name : variable.names()) {
      SCOPED_TRACE(name);
      Environment environment = all.at(variable.name).besides;
      environment.merge(complete());
      environment[std::string(variable.name)] = "\x01 not allowed anywhere";
      const auto loaded = load(environment, {{flag_of(name), all.at(variable.name).value}},
                               {.is_root = false, .working_directory = "/nonexistent"});
      EXPECT_EQ(variable.show(loaded.settings), all.at(variable.name).shown);
    }
  }
}

TEST(Variables, NamesAndFlagsAreUnique) {
  std::vector<std::string> flags;
  for (const auto& variable : variables()) {
    for (const auto name : variable.names()) flags.push_back(flag_of(name));
  }
  // LOG_LEVEL and PROXY_LOG_LEVEL are one flag.
  std::sort(flags.begin(), flags.end());
  const auto twice = std::adjacent_find(flags.begin(), flags.end());
  for (auto it = twice; it != flags.end(); it = std::adjacent_find(it + 1, flags.end())) {
    EXPECT_THAT((std::vector<std::string>{"--log-level", "--log-format", "--shutdown-timeout"}),
                testing::Contains(*it));
  }
}

TEST(Variables, ABadValueIsAnErrorThatNamesTheVariableTheValueAndWhatIsAllowed) {
  struct Bad {
    std::string name, value, allowed;
  };
  const std::vector<Bad> bads{
      {"PROXY_MQTT_ADDRESS", "http://x", "tcp://"},
      {"PROXY_MQTT_ADDRESS", "localhost:1883", "did you mean \"tcp://localhost:1883\""},
      {"PROXY_MQTT_ADDRESS", "tcp://x:0", "1 to 65535"},
      {"PROXY_MQTT_ADDRESS", "tcp://x/path", "ws://"},
      {"PROXY_MQTT_VERSION", "6", "3.1.1"},
      {"PROXY_MQTT_QOS", "3", "0, 1 and 2"},
      {"PROXY_MQTT_TIMEOUT", "soon", "30s"},
      {"PROXY_MQTT_TIMEOUT", "11m", "10m"},
      {"PROXY_MQTT_INFLIGHT", "0", "1 to 1000"},
      {"PROXY_MQTT_SHARE_GROUP", "a/b", "without /"},
      {"PROXY_MQTT_TLS_CA_CERT", "/nonexistent.pem", "no such file"},
      {"PROXY_MQTT_TLS_CLIENT_CERT", "/", "directory"},
      {"PROXY_MQTT_TLS_CLIENT_KEY", "/nonexistent.pem", "no such file"},
      {"PROXY_MQTT_TLS_INSECURE_SKIP_VERIFY", "yes", "TRUE"},
      {"PROXY_CHANNEL_ID", "a/b", "channel 1"},
      {"PROXY_CHANNEL_ID", "a,b,a", "channel 3 of the list is there twice"},
      {"PROXY_DOMAIN_ID", "a#", "without /"},
      {"PROXY_TOPIC_FAMILY", "modern", "classic, domain-messages and domain"},
      {"PROXY_CHANNEL_PROFILE", "tiny", "standard and embedded"},
      {"PROXY_CONFIG_FILE", "/nonexistent.toml", "no such file"},
      {"PROXY_REGISTRY_URL", "ftp://x", "https://"},
      {"PROXY_REGISTRY_URL", "a b", "host[:port]"},
      {"PROXY_REGISTRY_URL", "https://x?y", "query"},
      {"PROXY_AUTHENTICATE", "yes", "TRUE"},
      {"PROXY_REGISTRY_CA_CERT", "/nonexistent.pem", "no such file"},
      {"PROXY_REGISTRY_ALLOW", "ghcr.io,http://x", "CIDR"},
      {"PROXY_REGISTRY_PROXY", "proxy:3128", "http://"},
      {"PROXY_REGISTRY_FALLBACK_LATEST", "ja", "TRUE"},
      {"PROXY_CHUNK_SIZE", "255", "256 bytes to 8.0 MiB"},
      {"PROXY_CHUNK_SIZE", "9MiB", "256 bytes to 8.0 MiB"},
      {"PROXY_CHUNK_SIZE", "-1", "512000"},
      {"PROXY_CHANNEL_CAPACITY", "0", "1 to 1024"},
      {"PROXY_MAX_IMAGE_SIZE", "1023", "1.0 KiB"},
      {"PROXY_MAX_TRANSFERS", "65537", "1 to 65536"},
      {"PROXY_PASS_THROUGH", "si", "TRUE"},
      {"PROXY_SPOOL_SIZE", "1", "1.0 MiB"},
      {"PROXY_CACHE", "never", "on and off"},
      {"PROXY_CACHE_SIZE", "1", "1.0 MiB"},
      {"PROXY_HTTP_PORT", "65536", "0 to 65535"},
      {"PROXY_HTTP_ADDRESS", "localhost", "127.0.0.1"},
      {"PROXY_LOG_LEVEL", "loud", "trace, debug"},
      {"PROXY_LOG_FORMAT", "xml", "text and json"},
      {"PROXY_SHUTDOWN_TIMEOUT", "2h", "0s to 60m"},
  };
  for (const auto& bad : bads) {
    SCOPED_TRACE(bad.name + "=" + bad.value);
    const auto loaded = load_complete_with({{bad.name, bad.value}});
    ASSERT_FALSE(loaded.problems.errors.empty());
    EXPECT_THAT(loaded.problems.errors.front(), HasSubstr(bad.name + "="));
    EXPECT_THAT(loaded.problems.errors.front(), HasSubstr(bad.value.substr(0, 5)));
    EXPECT_THAT(loaded.problems.errors.front(), HasSubstr(bad.allowed));
  }
}

TEST(Variables, SecretsNeverAppearInProblems) {
  for (const auto& variable : variables()) {
    if (!variable.is_secret) continue;
    for (const auto name : variable.names()) {
      const auto loaded = load_complete_with({{std::string(name), "hunter2\n"}, {"PROXY_AUTHENTICATE", "1"}});
      ASSERT_FALSE(loaded.problems.errors.empty());
      for (const auto& text : loaded.problems.errors) EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
      for (const auto& text : loaded.problems.warnings) EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
    }
  }
  for (const char* name : {"PROXY_MQTT_ADDRESS", "PROXY_REGISTRY_URL", "PROXY_REGISTRY_PROXY"}) {
    const auto loaded = load_complete_with({{name, "ftp://user:hunter2@host"}});
    ASSERT_FALSE(loaded.problems.errors.empty());
    EXPECT_THAT(loaded.problems.errors.front(), testing::Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace propeller::config
