#include "config/site_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/rule_text.hpp"
#include "config/site_setters.hpp"
#include "config/site_support.hpp"
#include "config/support.hpp"
#include "config/yaml_section.hpp"

namespace propeller::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Forward read_well(const std::string& text) {
  auto out = read_site_text(text);
  EXPECT_THAT(out.problems.errors, IsEmpty()) << text;
  return out.forward;
}

/// One entry, this one.
bool holds(const auto& list, std::string_view only) { return list.size() == 1 && list[0] == only; }

// Wired: every key with a value that is not its default, and where it has to arrive.
TEST(SiteFile, EveryKeyReachesItsField) {
  const TemporaryDirectory files;
  const auto file = files.write("f", "x").string();
  struct Case {
    std::string text;
    bool (*is_there)(const Forward&, const std::string& file);
  };
  using F = const Forward&;
  using S = const std::string&;
  const std::vector<Case> cases{
      {"threads: 3", [](F f, S) { return f.threads == 3; }},
      {"proxy: {port: 1234}", [](F f, S) { return f.proxy.listen.at(0) == Endpoint{"127.0.0.1", 1234}; }},
      {"proxy: {api_port: 1235}", [](F f, S) { return f.api.listen == Endpoint{"127.0.0.1", 1235}; }},
      {"proxy: {port: 1, listen: '::1'}", [](F f, S) { return f.proxy.listen == std::vector<Endpoint>{{"::1", 1}}; }},
      {"proxy: {listen: [0.0.0.0, '[::1]:81', '127.0.0.2:82']}",
       [](F f, S) {
         return f.proxy.listen == std::vector<Endpoint>{{"0.0.0.0", 17080}, {"::1", 81}, {"127.0.0.2", 82}};
       }},
      {"proxy: {open: true}", [](F f, S) { return f.proxy.is_open; }},
      {"proxy: {users: $FILE}", [](F f, S file) { return f.proxy.users == file; }},
      {"proxy: {allow_targets: [127.0.0.0/8]}", [](F f, S) { return holds(f.proxy.allow_targets, "127.0.0.0/8"); }},
      {"proxy: {proxy_protocol: [10.1.2.3]}", [](F f, S) { return holds(f.proxy.proxy_protocol, "10.1.2.3"); }},
      {"proxy: {upstream: 'socks5h://u:p%40@up:9'}",
       [](F f, S) { return f.proxy.upstream == UpstreamProxy{UpstreamScheme::socks5h, "up", 9, "u", Secret("p@")}; }},
      {"proxy: {upstream: 'http://up'}", [](F f, S) { return f.proxy.upstream && f.proxy.upstream->port == 3128; }},
      {"proxy: {upstream: 'http://up:1', no_proxy: [a.b, .c, '*.d', 10.0.0.0/8]}",
       [](F f, S) { return f.proxy.no_proxy == std::vector<std::string>{"a.b", ".c", "*.d", "10.0.0.0/8"}; }},
      {"proxy: {upstream: 'http://up:1', no_proxy: 'a,b:80'}", [](F f, S) { return f.proxy.no_proxy.size() == 2; }},
      {"proxy: {bandwidth: {total: 10MB}}", [](F f, S) { return f.proxy.bandwidth.total == 10'000'000; }},
      {"proxy: {bandwidth: {per_client: 1MiB}}", [](F f, S) { return f.proxy.bandwidth.per_client == base::kMiB; }},
      {"proxy: {read_timeout: 1m30s}", [](F f, S) { return f.proxy.timeouts.read == 90s; }},
      {"proxy: {write_timeout: 5}", [](F f, S) { return f.proxy.timeouts.write == 5s; }},
      {"proxy: {read_timeout: 0s}", [](F f, S) { return f.proxy.timeouts.read == 24h; }},
      {"proxy: {connect_timeout: 250ms}", [](F f, S) { return f.proxy.timeouts.connect == 250ms; }},
      {"proxy: {first_byte_timeout: 7s}", [](F f, S) { return f.proxy.timeouts.first_byte == 7s; }},
      {"proxy: {idle_timeout: 8s}", [](F f, S) { return f.proxy.timeouts.idle == 8s; }},
      {"proxy: {tunnel_idle_timeout: 9s}", [](F f, S) { return f.proxy.timeouts.tunnel_idle == 9s; }},
      {"tls: {cert_dir: /c}", [](F f, S) { return f.tls.cert_dir == "/c"; }},
      {"tls: {upstream_ca: [$FILE]}", [](F f, S file) { return holds(f.tls.upstream_ca, file); }},
      {"tls: {insecure_hosts: ['*.lab']}", [](F f, S) { return holds(f.tls.insecure_hosts, "*.lab"); }},
      {"tls: {passthrough: [bank.example]}", [](F f, S) { return holds(f.tls.passthrough, "bank.example"); }},
      {"tls: {learn_passthrough: yes}", [](F f, S) { return f.tls.is_passthrough_learned; }},
      {"allowlist: {enabled: on}", [](F f, S) { return f.rules.allowlist.is_enabled; }},
      {"allowlist: {domains: [a.b, a.b]}", [](F f, S) { return f.rules.allowlist.domains.size() == 1; }},
      {"allowlist: {ips: [10.0.0.0/8]}", [](F f, S) { return holds(f.rules.allowlist.ips, "10.0.0.0/8"); }},
      {"logging: {level: debug}", [](F f, S) { return f.log.level == "debug"; }},
      {"logging: {format: json}", [](F f, S) { return f.log.format == LogFormat::json; }},
      {"logging: {file: /l}", [](F f, S) { return f.log.file == "/l"; }},
      {"cache: {enabled: true}", [](F f, S) { return f.cache.is_enabled; }},
      {"cache: {dir: /d}", [](F f, S) { return f.cache.dir == "/d"; }},
      {"cache: {max_size: 53687091200}", [](F f, S) { return f.cache.size_max_bytes == 50 * base::kGiB; }},
      {"cache: {max_size: 1_000}", [](F f, S) { return f.cache.size_max_bytes == 1000; }},
      {"cache: {max_object: 1GiB}", [](F f, S) { return f.cache.object_size_max_bytes == base::kGiB; }},
      {"cache: {min_free: 5GiB}", [](F f, S) { return f.cache.disk_free_min_bytes == 5 * base::kGiB; }},
      {"cache: {policy: sieve}", [](F f, S) { return f.cache.policy == EvictionPolicy::sieve; }},
      {"cache: {policy: lru}", [](F f, S) { return f.cache.policy == EvictionPolicy::lru; }},
      {"cache: {patterns: ['^/x']}", [](F f, S) { return f.cache.patterns == std::vector<std::string>{"^/x"}; }},
      {"cache: {content_aware: true}", [](F f, S) { return f.cache.is_content_aware; }},
      {"recording: {enabled: true}", [](F f, S) { return f.recording.is_enabled; }},
      {"recording: {dir: /r}", [](F f, S) { return f.recording.dir == "/r"; }},
      {"recording: {max_body_size: -1}", [](F f, S) { return f.recording.body_size_max_bytes == -1; }},
      {"recording: {max_body_size: 10485760}", [](F f, S) { return f.recording.body_size_max_bytes == 10485760; }},
      {"recording: {max_size: 2MiB}", [](F f, S) { return f.recording.size_max_bytes == 2 * base::kMiB; }},
      {"recording: {max_days: 2}", [](F f, S) { return f.recording.days_max == 2; }},
      {"recording: {streams: true}", [](F f, S) { return f.recording.are_streams_kept; }},
      {"api: {listen: '[::1]:5'}", [](F f, S) { return f.api.listen == Endpoint{"::1", 5}; }},
      {"api: {auth: token}", [](F f, S) { return f.api.auth == ApiAuth::token; }},
      {"api: {token_file: /t}", [](F f, S) { return f.api.token_file == "/t"; }},
  };
  for (const auto& [text, is_there] : cases) {
    auto whole = text;
    if (const auto at = whole.find("$FILE"); at != std::string::npos) whole.replace(at, 5, file);
    EXPECT_TRUE(is_there(read_well(whole), file)) << text;
    EXPECT_FALSE(is_there(Forward{}, file)) << text << " is the default";
  }
}

TEST(SiteFile, ReadsHeaderRulesWithTheirValuesAsSecrets) {
  const auto forward = read_well(R"(
headers:
  "API.example.com":
    conditions:
      - header: "X-Environment"
        equals: "production"
    set:
      "Authorization": "Bearer prod-token"
      X-Number: 12
      X-Empty:
    append: {"Via": "1.1 x"}
)");
  ASSERT_EQ(forward.rules.headers.size(), 1U);
  const auto& rule = forward.rules.headers[0];
  EXPECT_EQ(rule.pattern, "api.example.com");
  EXPECT_EQ(rule.conditions, (std::vector<HeaderCondition>{{"X-Environment", "production"}}));
  EXPECT_EQ(rule.set,
            (std::vector<HeaderValue>{
                {"Authorization", Secret("Bearer prod-token")}, {"X-Number", Secret("12")}, {"X-Empty", Secret()}}));
  EXPECT_EQ(rule.append, (std::vector<HeaderValue>{{"Via", Secret("1.1 x")}}));
}

TEST(SiteFile, EmptySectionsAreTheDefaults) {
  const Forward expected = read_well("");
  EXPECT_EQ(read_well("proxy:\ntls:\nallowlist:\nheaders:\nlogging:\ncache:\nrecording:\napi:\n"), expected);
  EXPECT_EQ(read_well("headers: {}\nallowlist: {domains: [], ips: []}\n"), expected);
}

TEST(SiteFile, TellsWhichSectionsDecideAboutPlanes) {
  EXPECT_EQ(read_site_text("proxy:\n").sections, (SiteSections{.has_proxy = true}));
  EXPECT_EQ(read_site_text("mirror: {enabled: true}\n").sections, (SiteSections{.has_proxy = true}));
  EXPECT_EQ(read_site_text("cache: {enabled: false}\n").sections, (SiteSections{.has_cache = true}));
  EXPECT_EQ(read_site_text("logging: {level: info}\n").sections, SiteSections{});
}

TEST(SiteFile, AnEmptyPatternListMeansTheRegistryPatternsUnlessContentIsLookedAt) {
  EXPECT_EQ(read_well("cache: {enabled: true}").cache.patterns, registry_patterns());
  EXPECT_EQ(read_well("cache: {patterns: []}").cache.patterns, registry_patterns());
  EXPECT_THAT(read_well("cache: {patterns: [], content_aware: true}").cache.patterns, IsEmpty());
  EXPECT_EQ(read_well("cache: {content_aware: true}").cache.patterns, registry_patterns());
}

TEST(SiteFile, EveryProblemIsToldWithFileLinePathAndWhatWasMeant) {
  const auto problems = read_site_text(R"(proxy:
  port: 0
  prot: 17080
  read_timeout: soon
allowlist:
  domains: ["a b", ok.example]
  ips: {a: b}
headers:
  "*.x":
    conditions:
      - header: "X Y"
        equals: "1"
    set: {Content-Length: 5, X-Key: "hunter2\n"}
  "a*b": {}
cach: {}
)")
                            .problems.errors;
  EXPECT_THAT(problems,
              ElementsAre("p.yaml:2: proxy.port: \"0\": allowed is a whole number from 1 to 65535",
                          HasSubstr("p.yaml:4: proxy.read_timeout: \"soon\": allowed is a duration"),
                          "p.yaml:3: proxy.prot: unknown key; did you mean port?",
                          HasSubstr("p.yaml:6: allowlist.domains[0]: \"a b\": invalid domain pattern"),
                          "p.yaml:7: allowlist.ips: a single value is needed here, not a map",
                          HasSubstr("p.yaml:11: headers[\"*.x\"].conditions[0].header: \"X Y\": not the name"),
                          HasSubstr("p.yaml:13: headers[\"*.x\"].set.Content-Length: this header belongs"),
                          HasSubstr("p.yaml:13: headers[\"*.x\"].set.X-Key: allowed is text"),
                          HasSubstr("p.yaml:14: headers[\"a*b\"]: invalid domain pattern"),
                          "p.yaml:15: cach: unknown key; did you mean cache?"));
  for (const auto& text : problems) EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
}

TEST(SiteFile, ABadValueSaysWhatIsAllowed) {
  struct Bad {
    std::string text, path, allowed;
  };
  const std::vector<Bad> bads{
      {"[]", "", "a map is needed"},
      {"proxy: 3", "proxy", "a map is needed"},
      {"threads: 1025", "threads", "0 to 1024"},
      {"proxy: {port: 65536}", "proxy.port", "1 to 65535"},
      {"proxy: {port: [1]}", "proxy.port", "a single value"},
      {"proxy: {api_port: x}", "proxy.api_port", "1 to 65535"},
      {"proxy: {listen: localhost}", "proxy.listen", "127.0.0.1"},
      {"proxy: {listen: ':80'}", "proxy.listen", "127.0.0.1"},
      {"proxy: {listen: '[127.0.0.1]:80'}", "proxy.listen", "127.0.0.1"},
      {"proxy: {listen: ['::1', '1.2.3.4:0']}", "proxy.listen[1]", "127.0.0.1"},
      {"proxy: {users: /nonexistent}", "proxy.users", "no such file"},
      {"proxy: {open: 1}", "proxy.open", "true and false"},
      {"proxy: {allow_targets: [host]}", "proxy.allow_targets[0]", "10.0.0.0/8"},
      {"proxy: {proxy_protocol: [10.0.0.0/40]}", "proxy.proxy_protocol[0]", "10.0.0.0/8"},
      {"proxy: {upstream: 'ftp://u'}", "proxy.upstream", "socks5h://"},
      {"proxy: {upstream: 'http://u/path'}", "proxy.upstream", "a path"},
      {"proxy: {no_proxy: ['a b']}", "proxy.no_proxy[0]", ".domain"},
      {"proxy: {bandwidth: {total: fast}}", "proxy.bandwidth.total", "64MiB"},
      {"proxy: {idle_timeout: 25h}", "proxy.idle_timeout", "24h"},
      {"proxy: {idle_timeout: -1s}", "proxy.idle_timeout", "24h"},
      {"tls: {cert_dir: ''}", "tls.cert_dir", "a directory"},
      {"tls: {upstream_ca: /}", "tls.upstream_ca", "a file is needed"},
      {"tls: {passthrough: ['https://x']}", "tls.passthrough[0]", "*.suffix"},
      {"logging: {level: loud}", "logging.level", "warn and error"},
      {"logging: {format: xml}", "logging.format", "text and json"},
      {"cache: {enabled: true, dir: ''}", "cache.dir", "a directory"},
      {"cache: {enabled: true, max_size: 0}", "cache.max_size", "1 bytes"},
      {"cache: {max_size: -1}", "cache.max_size", "512000"},
      {"cache: {policy: fifo}", "cache.policy", "s3fifo, sieve and lru"},
      {"cache: {patterns: ['(']}", "cache.patterns[0]", "RE2"},
      {"recording: {enabled: true, dir: ''}", "recording.dir", "a directory"},
      {"recording: {max_body_size: -2}", "recording.max_body_size", "-1 for all"},
      {"recording: {max_size: 1}", "recording.max_size", "1.0 MiB"},
      {"recording: {max_days: 0}", "recording.max_days", "1 to 3650"},
      {"api: {auth: none}", "api.auth", "loopback"},
      {"headers: []", "headers", "a map is needed"},
      {"headers: {a: {conditions: {}}}", "headers.a.conditions", "a list is needed"},
      {"headers: {a: {conditions: [{header: X}]}}", "headers.a.conditions[0].equals", "a value is needed"},
      {"headers: {a: {conditions: [{header: X, equals: ''}]}}", "headers.a.conditions[0].equals", "a value is needed"},
      {"headers: {a: {set: {'X Y': 1}}}", "headers.a.set[\"X Y\"]", "not the name"},
      {"headers: {a: {sett: {}}}", "headers.a.sett", "did you mean set?"},
      {"headers: {a.b: {}, A.b: {}}", "headers[\"A.b\"]", "in another case"},
  };
  for (const auto& bad : bads) {
    const auto problems = read_site_text(bad.text).problems.errors;
    ASSERT_FALSE(problems.empty()) << bad.text;
    EXPECT_THAT(problems.front(), HasSubstr("p.yaml:1: " + bad.path)) << bad.text;
    EXPECT_THAT(problems.front(), HasSubstr(bad.allowed)) << bad.text;
  }
}

TEST(SiteFile, WarnsOfWhatHasNoEffectOrIsRisky) {
  EXPECT_THAT(read_site_text("logging: {include_body: true}").problems.warnings,
              ElementsAre(HasSubstr("logging.include_body")));
  EXPECT_THAT(read_site_text("logging: {include_body: false}").problems.warnings, IsEmpty());
  EXPECT_THAT(read_site_text("proxy: {no_proxy: [a]}").problems.warnings, ElementsAre(HasSubstr("proxy.upstream")));
  EXPECT_THAT(read_site_text("tls: {insecure_hosts: ['*']}").problems.warnings,
              ElementsAre(HasSubstr("tls.insecure_hosts")));
  EXPECT_THAT(read_site_text("recording: {streams: true}").problems.warnings,
              ElementsAre(HasSubstr("recording.streams")));
}

TEST(SiteFile, PasswordsOfTheUpstreamProxyAreNotRepeated) {
  const auto problems = read_site_text("proxy: {upstream: 'ftp://u:hunter2@h'}").problems.errors;
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0], testing::Not(HasSubstr("hunter2")));
}

TEST(SiteFile, ListsRulesAndProblemsAreBounded) {
  std::string domains = "allowlist:\n  domains:\n";
  for (std::size_t i = 0; i <= kListEntriesMax; ++i) domains += fmt::format("    - h{}.example\n", i);
  EXPECT_THAT(read_site_text(domains).problems.errors, ElementsAre(HasSubstr("at most 10000 entries")));

  std::string rules = "headers:\n";
  for (std::size_t i = 0; i <= kHeaderRulesMax; ++i) rules += fmt::format("  h{}.example: {{set: {{X: y}}}}\n", i);
  EXPECT_THAT(read_site_text(rules).problems.errors, ElementsAre(HasSubstr("at most 1000 rules")));

  std::string values = "headers:\n  a:\n    set:\n";
  std::string conditions = "headers:\n  a:\n    conditions:\n";
  for (std::size_t i = 0; i <= kHeaderEntriesMax; ++i) {
    values += fmt::format("      X-{}: y\n", i);
    conditions += "      - {header: X, equals: y}\n";
  }
  EXPECT_THAT(read_site_text(values).problems.errors, ElementsAre(HasSubstr("at most 64 headers")));
  EXPECT_THAT(read_site_text(conditions).problems.errors, ElementsAre(HasSubstr("at most 64 entries")));

  std::string unknown;
  for (std::size_t i = 0; i < 2 * kYamlProblemsMax; ++i) unknown += fmt::format("zzz{}: 1\n", i);
  const auto problems = read_site_text(unknown).problems.errors;
  EXPECT_EQ(problems.size(), kYamlProblemsMax);
  EXPECT_THAT(problems.back(), HasSubstr("and more problems"));
}

}  // namespace
}  // namespace propeller::config
