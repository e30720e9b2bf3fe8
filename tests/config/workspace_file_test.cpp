#include "config/workspace_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "config/forward_changes.hpp"
#include "config/forward_keys.hpp"
#include "config/forward_loader.hpp"
#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Row {
  std::string_view path;  ///< as a file has it
  std::string_view key;   ///< as forward_keys.hpp has it
  std::string_view text;  ///< a file that says something else than the default
};

// Every key there is: a new one without a row fails.
constexpr auto kRows = std::to_array<Row>({
    {"threads", "threads", "threads: 3"},
    {"proxy.port", "proxy.listen", "proxy: {port: 17}"},
    {"proxy.listen", "proxy.listen", "proxy: {listen: '127.0.0.2'}"},
    {"proxy.api_port", "api.listen", "proxy: {api_port: 18}"},
    {"proxy.open", "proxy.open", "proxy: {open: true}"},
    {"proxy.users", "proxy.users", "proxy: {users: /etc/passwd}"},
    {"proxy.proxy_protocol", "proxy.proxy_protocol", "proxy: {proxy_protocol: 10.0.0.0/8}"},
    {"proxy.allow_targets", "proxy.allow_targets", "proxy: {allow_targets: 10.0.0.0/8}"},
    {"proxy.upstream", "proxy.upstream", "proxy: {upstream: 'http://h:1'}"},
    {"proxy.no_proxy", "proxy.no_proxy", "proxy: {no_proxy: h}"},
    {"proxy.bandwidth", "proxy.bandwidth.total", "proxy: {bandwidth: {total: 1}}"},
    {"proxy.bandwidth", "proxy.bandwidth.per_client", "proxy: {bandwidth: {per_client: 1}}"},
    {"proxy.read_timeout", "proxy.read_timeout", "proxy: {read_timeout: 1s}"},
    {"proxy.write_timeout", "proxy.write_timeout", "proxy: {write_timeout: 1s}"},
    {"proxy.connect_timeout", "proxy.connect_timeout", "proxy: {connect_timeout: 1s}"},
    {"proxy.first_byte_timeout", "proxy.first_byte_timeout", "proxy: {first_byte_timeout: 1s}"},
    {"proxy.idle_timeout", "proxy.idle_timeout", "proxy: {idle_timeout: 1s}"},
    {"proxy.tunnel_idle_timeout", "proxy.tunnel_idle_timeout", "proxy: {tunnel_idle_timeout: 1s}"},
    {"tls.cert_dir", "tls.cert_dir", "tls: {cert_dir: /x}"},
    {"tls.upstream_ca", "tls.upstream_ca", "tls: {upstream_ca: /etc/passwd}"},
    {"tls.insecure_hosts", "tls.insecure_hosts", "tls: {insecure_hosts: h}"},
    {"tls.passthrough", "tls.passthrough", "tls: {passthrough: h}"},
    {"tls.learn_passthrough", "tls.learn_passthrough", "tls: {learn_passthrough: true}"},
    {"allowlist.enabled", "allowlist", "allowlist: {enabled: true}"},
    {"allowlist.domains", "allowlist", "allowlist: {domains: h}"},
    {"allowlist.ips", "allowlist", "allowlist: {ips: 10.0.0.0/8}"},
    {"headers", "headers", "headers: {h: {set: {X-A: b}}}"},
    {"cache.enabled", "cache.enabled", "cache: {enabled: true}"},
    {"cache.dir", "cache.dir", "cache: {dir: /x}"},
    {"cache.max_size", "cache.max_size", "cache: {max_size: 1}"},
    {"cache.max_object", "cache.max_object", "cache: {max_object: 1}"},
    {"cache.min_free", "cache.min_free", "cache: {min_free: 1}"},
    {"cache.policy", "cache.policy", "cache: {policy: lru}"},
    {"cache.patterns", "cache.patterns", "cache: {patterns: a}"},
    {"cache.content_aware", "cache.content_aware", "cache: {content_aware: true}"},
    {"cache.http", "cache.http", "cache: {http: off}"},
    {"cache.packs", "cache.packs", "cache: {packs: npm}"},
    {"cache.ttl", "cache.ttl", "cache: {ttl: 1s}"},
    {"cache.private", "cache.private", "cache: {private: never}"},
    {"cache.private_ttl", "cache.private_ttl", "cache: {private_ttl: 1s}"},
    {"cache.tag_window", "cache.tag_window", "cache: {tag_window: 1s}"},
    {"cache.compression", "cache.compression", "cache: {compression: true}"},
    {"cache.second_tier", "cache.second_tier",
     "cache: {second_tier: {endpoint: a.test, bucket: abc, access_key: k, secret_key: s}}"},
    {"mirror.enabled", "mirror.enabled", "mirror: {enabled: true}"},
    {"mirror.default", "mirror.default", "mirror: {default: docker.io}"},
    {"mirror.upstreams", "mirror.upstreams", "mirror: {upstreams: [{name: a.test}]}"},
    {"recording.enabled", "recording.enabled", "recording: {enabled: true}"},
    {"recording.dir", "recording.dir", "recording: {dir: /x}"},
    {"recording.max_body_size", "recording.max_body_size", "recording: {max_body_size: 1}"},
    {"recording.max_size", "recording.max_size", "recording: {max_size: 2MiB}"},
    {"recording.max_days", "recording.max_days", "recording: {max_days: 1}"},
    {"recording.streams", "recording.streams", "recording: {streams: true}"},
    {"api.listen", "api.listen", "api: {listen: '127.0.0.2'}"},
    {"api.auth", "api.auth", "api: {auth: token}"},
    {"api.token_file", "api.token_file", "api: {token_file: /x}"},
    {"logging.level", "logging.level", "logging: {level: debug}"},
    {"logging.format", "logging.format", "logging: {format: json}"},
    {"logging.file", "logging.file", "logging: {file: /x}"},
});

/// A site of its own each time, with this file over it.
class Workspace : public testing::Test {
 protected:
  static constexpr const char* kName = ".propeller/proxy.yaml";

  [[nodiscard]] ForwardLoaded load(Environment more = {}) const {
    more["CONFIG_FILE"] = files_.write("site.yaml", site_).string();
    more["PROXY_WORKSPACE"] = files_.path().string();
    return load_forward(more, {}, {.is_root = false, .working_directory = "/nonexistent"});
  }
  [[nodiscard]] ForwardLoaded load_with(std::string_view text, bool is_trusted) const {
    (void)files_.write(kName, std::string(text));
    return load(is_trusted ? Environment{{"PROXY_TRUST_WORKSPACE", "true"}} : Environment{});
  }
  [[nodiscard]] std::vector<std::string_view> changed_by(const ForwardLoaded& loaded) const {
    const auto site = load_forward({{"CONFIG_FILE", (files_.path() / "site.yaml").string()}});
    auto changes = compare(site.settings, loaded.settings);
    changes.applied.insert(changes.applied.end(), changes.needs_restart.begin(), changes.needs_restart.end());
    return changes.applied;
  }

  const TemporaryDirectory files_;
  std::string site_;
};

bool may_be_said(std::string_view path) { return std::ranges::find(untrusted_keys(), path) != untrusted_keys().end(); }

TEST_F(Workspace, WithoutTrustOnlyWhatIsHarmlessIsHeededAndEachOtherKeyIsAWarning) {
  for (const auto& row : kRows) {
    const auto loaded = load_with(row.text, false);
    EXPECT_THAT(loaded.problems.errors, IsEmpty()) << row.text;
    if (may_be_said(row.path)) {
      EXPECT_THAT(changed_by(loaded), ElementsAre(row.key)) << row.text;
      EXPECT_THAT(loaded.problems.warnings, IsEmpty()) << row.text;
    } else {
      EXPECT_THAT(changed_by(loaded), IsEmpty()) << row.text;
      EXPECT_THAT(loaded.problems.warnings,
                  ElementsAre(fmt::format("{}:1: {}: ignored: a workspace may say it only with --trust-workspace",
                                          (files_.path() / kName).string(), row.path)));
    }
  }
}

TEST_F(Workspace, WithTrustEveryKeyIsHeeded) {
  for (const auto& row : kRows) {
    const auto loaded = load_with(row.text, true);
    EXPECT_THAT(loaded.problems.errors, IsEmpty()) << row.text;
    EXPECT_THAT(changed_by(loaded), Contains(row.key)) << row.text;
  }
}

TEST_F(Workspace, TheTableHasEveryKeyAndWhatMayBeSaidIsInIt) {
  std::set<std::string_view> keys;
  std::set<std::string_view> paths{"logging.include_body"};  // which sets nothing
  for (const auto& row : kRows) {
    keys.insert(row.key);
    paths.insert(row.path);
  }
  for_each_key([&](std::string_view key, auto, auto) { EXPECT_TRUE(keys.contains(key)) << key; });
  for (const auto key : untrusted_keys()) EXPECT_TRUE(paths.contains(key)) << key;
}

TEST_F(Workspace, SaysNothingAboutWhoIsServedOrWhatIsReachedWithWhichSecrets) {
  for (const auto* key : {"headers", "allowlist.enabled", "tls.cert_dir", "cache.dir", "recording.dir", "logging.file",
                          "proxy.allow_targets", "proxy.users", "proxy.open", "proxy.listen", "tls.insecure_hosts",
                          "tls.upstream_ca", "proxy.upstream", "api.auth", "api.token_file"})
    EXPECT_FALSE(may_be_said(key)) << key;
}

TEST_F(Workspace, AKeyThatNobodyKnowsIsNotHeededEither) {
  const auto loaded = load_with("cache: {secret_dir: /x}\nmore: 1\n", false);
  EXPECT_THAT(loaded.problems.warnings,
              ElementsAre(HasSubstr("cache.secret_dir: ignored"), HasSubstr("more: ignored")));
  EXPECT_THAT(load_with("cache: {max_sise: 1}\n", true).problems.errors,
              ElementsAre(HasSubstr("unknown key; did you mean max_size?")));
}

// It is read again whenever it changes, and whoever fills it need not be a friend.
TEST_F(Workspace, WarningsDoNotGrowWithIt) {
  std::string text;
  for (std::size_t i = 0; i < 2 * kYamlProblemsMax; ++i) text += fmt::format("zzz{}: 1\n", i);
  const auto warnings = load_with(text, false).problems.warnings;
  EXPECT_EQ(warnings.size(), kYamlProblemsMax);
  EXPECT_THAT(warnings.back(), HasSubstr("and more warnings"));
}

TEST_F(Workspace, WhatItDoesNotSayIsAsTheSiteHasItAndAListIsReplacedWhole) {
  site_ = "cache: {enabled: true, max_size: 5, patterns: [a, b]}\nlogging: {level: warn}\n";
  const auto settings = load_with("cache: {max_size: 7, patterns: [c]}\n", false).settings;
  EXPECT_TRUE(settings.cache.is_enabled);
  EXPECT_EQ(settings.cache.size_max_bytes, 7U);
  EXPECT_THAT(settings.cache.patterns, ElementsAre("c"));
  EXPECT_EQ(settings.log.level, "warn");
  EXPECT_THAT(load_with("cache: {max_size: 7}\n", false).settings.cache.patterns, ElementsAre("a", "b"));
}

TEST_F(Workspace, ARuleReplacesThatOfItsPatternAndATableTheWholeTable) {
  site_ =
      "headers: {a: {set: {X-One: '1'}}, b: {set: {X-One: '1'}}}\n"
      "proxy: {bandwidth: {total: 1, per_client: 2}, allow_targets: [10.0.0.0/8]}\n";
  const auto settings =
      load_with("headers: {a: {set: {X-Two: '2'}}}\nproxy: {bandwidth: {per_client: 3}, allow_targets: [::1]}\n", true)
          .settings;
  ASSERT_EQ(settings.rules.headers.size(), 2U);
  ASSERT_EQ(settings.rules.headers[0].set.size(), 1U);
  EXPECT_EQ(settings.rules.headers[0].set[0].name, "X-Two");
  EXPECT_EQ(settings.rules.headers[1].set[0].name, "X-One");
  EXPECT_EQ(settings.proxy.bandwidth, (Bandwidth{.total = 0, .per_client = 3}));
  EXPECT_THAT(settings.proxy.allow_targets, ElementsAre("::1"));
}

TEST_F(Workspace, LiesOverTheBuiltInDefaultWhereTheSiteHasNoFile) {
  (void)files_.write(kName, "cache: {max_size: 7}\n");
  const auto loaded = load_forward({{"PROXY_WORKSPACE", files_.path().string()}, {"STATE_DIRECTORY", "/s"}}, {},
                                   {.is_root = false, .working_directory = "/nonexistent"});
  EXPECT_TRUE(loaded.settings.cache.is_enabled);
  EXPECT_EQ(loaded.settings.cache.dir, "/s/cache");
  EXPECT_EQ(loaded.settings.cache.size_max_bytes, 7U);
  EXPECT_EQ(loaded.workspace_file, files_.path() / kName);
}

TEST_F(Workspace, FlagsAndVariablesWinOverIt) {
  (void)files_.write(kName, "logging: {level: debug}\n");
  EXPECT_EQ(load({{"LOG_LEVEL", "error"}}).settings.log.level, "error");
}

TEST_F(Workspace, TheOlderNameIsLookedForFirstAndNoneIsNoMistake) {
  EXPECT_THAT(load().problems.errors, IsEmpty());
  EXPECT_TRUE(load().workspace_file.empty());
  (void)files_.write(kName, "cache: {max_size: 7}\n");
  (void)files_.write(".discobot/proxy/config.yaml", "cache: {max_size: 8}\n");
  EXPECT_EQ(load().settings.cache.size_max_bytes, 8U);
}

TEST_F(Workspace, AMistakeInItHasItsPlaceAndOneOfBothTogetherBoth) {
  const auto file = (files_.path() / kName).string();
  EXPECT_THAT(load_with("cache:\n  policy: best\n", false).problems.errors,
              ElementsAre(HasSubstr(file + ":2: cache.policy: \"best\"")));
  EXPECT_THAT(load_with("cache: [\n", false).problems.errors, ElementsAre(HasSubstr(file + ":")));
  EXPECT_THAT(load_with("cache: 7\n", false).problems.errors, ElementsAre(HasSubstr("a map is needed here")));
  site_ = "cache: {max_size: 0}\n";
  EXPECT_THAT(load_with("cache: {enabled: true}\n", false).problems.errors,
              ElementsAre(HasSubstr(file + " over " + (files_.path() / "site.yaml").string() + ":")));
}

TEST_F(Workspace, ADirectoryThatIsNotThereIsAMistake) {
  EXPECT_THAT(load_forward({}, {{"--workspace", "/nonexistent"}}).problems.errors,
              ElementsAre("--workspace=\"/nonexistent\": there is no such directory"));
}

}  // namespace
}  // namespace propeller::config
