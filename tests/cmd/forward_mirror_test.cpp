// The mirror of registries in the real program: what its keys do, and real clients with Debian's docker-registry.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "forward_site.hpp"
#include "http/peer.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"

namespace propeller::cmd {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::wait_until;
using testing::HasSubstr;

class ForwardMirror : public ForwardSite {
 protected:
  /// `lines` are those of the section `mirror`.
  void start_with(const std::string& lines, const Environment& more = {}) {
    write_config(usual("mirror: {" + lines +
                       "}\ncache: {enabled: true, min_free: 0, dir: " + (files_ / "cache").string() + "}\n"));
    start(more);
  }
  [[nodiscard]] std::string mirror() const { return "127.0.0.1:" + std::to_string(port_); }
  /// Of the proxy itself.
  [[nodiscard]] Fetched ask(const std::string& path, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"-x", "", "http://" + mirror() + path};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return curl(arguments);
  }
  /// The path of the blob that every server of a site has.
  [[nodiscard]] std::string blob_path(const std::string& prefix = "") const {
    const auto url = blob(plain_);
    return "/v2/" + prefix + url.substr(url.find("acme/m"));
  }
  std::string skopeo(const std::vector<std::string>& words) const {
    std::vector<std::string> arguments{"skopeo", "--insecure-policy"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    support::Subprocess process({.arguments = arguments, .environment = {{"HOME", files_.path().string()}}});
    const auto code = process.wait_exit();
    process.wait_output_end();
    EXPECT_EQ(code, 0) << process.output() << log();
    return process.output();
  }
};

TEST_F(ForwardMirror, IsThereWhereItIsEnabled) {
  start_with("enabled: false");
  EXPECT_TRUE(ask("/v2/").has(" 400 ")) << "as it was";
  stop();
  start_with("enabled: true");
  EXPECT_TRUE(ask("/v2/").has(" 200 "));
  EXPECT_THAT(api("/api/status").output, HasSubstr(R"("url":"https://registry-1.docker.io")")) << "built in";
}

TEST_F(ForwardMirror, ADefaultAndNamesOfUpstreamsSayWhoIsAsked) {
  FakeRegistry other;
  start_with(
      fmt::format("enabled: true, default: other.test, upstreams: [{{name: docker.io, url: '{}'}}, "
                  "{{name: other.test, url: '{}'}}]",
                  plain_.url(), other.url()));
  (void)ask("/v2/acme/m/tags/list");
  EXPECT_EQ(other.requests().size(), 1U);
  EXPECT_TRUE(ask(blob_path() + "?ns=docker.io").has("some bytes of a blob"));
  EXPECT_TRUE(ask(blob_path("docker.io/")).has("some bytes of a blob"));
  EXPECT_EQ(other.requests().size(), 1U);
}

TEST_F(ForwardMirror, ACaIsTrustedForItsUpstreamAlone) {
  auto text =
      usual(fmt::format("mirror: {{enabled: true, upstreams: [{{name: a.test, url: '{}', ca: {}}}, "
                        "{{name: b.test, url: '{}'}}]}}\n",
                        secure_.url(), tls_.ca().string(), secure_.url()));
  const auto usual_ca = text.find("  upstream_ca");
  text.erase(usual_ca, text.find('\n', usual_ca) + 1 - usual_ca);
  write_config(text);
  start();
  EXPECT_TRUE(ask(blob_path("a.test/")).has("some bytes of a blob"));
  EXPECT_TRUE(ask(blob_path("b.test/")).has(" 502 "));
}

TEST_F(ForwardMirror, CredentialsAreTakenFromTheFileOrFromFilesThatItNames) {
  FakeRegistry closed({.auth = FakeAuth::basic, .username = "ann", .password = "secret"});
  closed.push_blob("acme/m", "some bytes of a blob");
  support::write_file(files_ / "password", "secret\n");
  support::write_file(files_ / "config.json", R"({"auths":{")" + closed.host() + R"(":{"auth":"YW5uOnNlY3JldA=="}}})");
  const auto file = [&](const char* name) { return (files_ / name).string(); };
  const auto one = [&](const std::string& name, const std::string& credentials) {
    return fmt::format("{{name: {}, url: '{}', credentials: {{{}}}}}", name, closed.url(), credentials);
  };
  start_with(fmt::format("enabled: true, upstreams: [{}, {}, {}, {}]", one("a.test", "username: ann, password: secret"),
                         one("b.test", "username: ann, password_file: " + file("password")),
                         one("c.test", "docker_config: " + file("config.json")),
                         one("d.test", "username: ann, password: wrong")));
  for (const char* name : {"a", "b", "c"})
    EXPECT_TRUE(ask(blob_path(std::string(name) + ".test/")).has("some bytes of a blob")) << name;
  EXPECT_TRUE(ask(blob_path("d.test/")).has(" 401 "));
  const auto shown = run_program({"check"}, environment()).out;
  EXPECT_THAT(shown, HasSubstr("mirror.upstreams[\"a.test\"].credentials"));
  EXPECT_THAT(shown, testing::Not(HasSubstr("secret")));
}

TEST_F(ForwardMirror, CredentialsAreAskedOfTheHelperThatDockersConfigNames) {
  FakeRegistry closed({.auth = FakeAuth::basic, .username = "ann", .password = "secret"});
  closed.push_blob("acme/m", "some bytes of a blob");
  support::write_file(files_ / "config.json", fmt::format(R"({{"credHelpers": {{"{}": "test"}}}})", closed.host()));
  const auto helper = files_ / "docker-credential-test";
  support::write_file(helper, fmt::format("#!/bin/sh\nread host\n[ \"$1 $host\" = 'get {}' ] || exit 1\n"
                                          R"(echo '{{"Username": "ann", "Secret": "secret"}}')",
                                          closed.host()));
  std::filesystem::permissions(helper, std::filesystem::perms::owner_all);
  start_with(fmt::format("enabled: true, upstreams: [{{name: a.test, url: '{}', credentials: {{docker_config: {}}}}}]",
                         closed.url(), (files_ / "config.json").string()),
             {{"PATH", files_.path().string() + ":/usr/bin:/bin"}});
  EXPECT_TRUE(ask(blob_path("a.test/")).has("some bytes of a blob")) << log();
}

TEST_F(ForwardMirror, ATokenIsSentAsItIs) {
  support::write_file(files_ / "token", "FILED\n");
  for (const auto& [line, token] : {std::pair("token: WRITTEN", "WRITTEN"), std::pair("token_file: %", "FILED")}) {
    http::PeerListener registry;
    std::string key = line;
    if (const auto at = key.find('%'); at != std::string::npos) key.replace(at, 1, (files_ / "token").string());
    start_with(
        fmt::format("enabled: true, upstreams: [{{name: a.test, url: 'http://127.0.0.1:{}', credentials: {{{}}}}}]",
                    registry.port(), key));
    auto client = http::Peer::connect(port_);
    client.send("GET /v2/acme/m/tags/list HTTP/1.1\r\nHost: site\r\n\r\n");
    auto asked = registry.accept();
    asked.read_head();
    asked.send(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://x.test/\"\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(asked.read_head(), HasSubstr("uthorization: Bearer " + std::string(token) + "\r\n"));
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(client.read_head(), HasSubstr("200 OK"));
    client.close();
    stop();
  }
}

TEST_F(ForwardMirror, StatusAndMetricsSayHowMuchARegistryStillAllows) {
  http::PeerListener registry;
  start_with(
      fmt::format("enabled: true, upstreams: [{{name: docker.io, url: 'http://127.0.0.1:{}'}}]", registry.port()));
  EXPECT_THAT(metrics(), HasSubstr("propeller_forward_mirror_rate_limit_remaining{registry=\"docker.io\"} -1"));
  auto client = http::Peer::connect(port_);
  client.send("GET /v2/acme/m/tags/list HTTP/1.1\r\nHost: site\r\n\r\n");
  auto asked = registry.accept();
  asked.read_head();
  asked.send(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nratelimit-limit: 100;w=21600\r\nratelimit-remaining: "
      "76;w=21600\r\n\r\n{}");
  EXPECT_THAT(client.read_head(), HasSubstr("200 OK"));
  EXPECT_THAT(metrics(), HasSubstr("propeller_forward_mirror_rate_limit_remaining{registry=\"docker.io\"} 76\n"));
  EXPECT_THAT(api("/api/status").output,
              HasSubstr(R"("rate_limit":{"limit":100,"remaining":76,"source":"","window_seconds":21600})"));
}

TEST_F(ForwardMirror, TheScriptSetsAClientUp) {
  start_with("enabled: false");
  const auto script = files_ / "setup.sh", target = files_ / "client";
  ASSERT_TRUE(ask("/setup.sh", {"-o", script.string(), "--no-include"}).output.empty());
  EXPECT_THAT(support::run_command({"sh", script.string(), target.string()}), HasSubstr("env.sh"));
  EXPECT_EQ(support::read_file(target / "ca.crt"), support::read_file(files_ / "certs/ca.crt"));
  const auto got = support::run_command(
      {"sh", "-c", ". '" + (target / "env.sh").string() + "' && unset no_proxy NO_PROXY && curl -sS " + blob(secure_)});
  EXPECT_EQ(got, "some bytes of a blob") << "through the proxy, which is trusted";
  EXPECT_TRUE(ask("/ca.crt").has("-----BEGIN CERTIFICATE-----"));
  EXPECT_TRUE(ask("/setup").has("\"registry-mirrors\": [\"http://" + mirror() + "\"]"));
}

// By default, as skopeo and Podman do with a registries.conf; by path prefix; by ns, as containerd does.
TEST_F(ForwardMirror, ImagesAreServedInEveryWayWhileTheRegistryIsDown) {
  support::DockerRegistry registry;
  support::Pusher pusher({.url = registry.url(), .ca = {}});
  const std::string layer(300'000, 'w');
  const auto digest = support::push_image(pusher, "acme/add", "v1", support::wasm_to_oci_image(layer));
  start_with(fmt::format("enabled: true, upstreams: [{{name: docker.io, url: '{}'}}]", registry.url()));
  support::write_file(
      files_ / "registries.conf",
      "[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"" + mirror() +
          "\"\ninsecure = true\n");
  int pulls = 0;
  const auto pull = [&](const std::string& image) {
    const auto copy = files_ / fmt::format("pulled{}", ++pulls);
    skopeo({"copy", "--registries-conf", (files_ / "registries.conf").string(), "--src-tls-verify=false",
            "docker://" + image + "@" + digest, "dir:" + copy.string()});
    EXPECT_EQ(support::read_file(copy / base::sha256(layer).hex()), layer) << image;
  };
  const auto by_ns = [&](const std::string& path) { return ask("/v2/acme/add/" + path + "?ns=docker.io"); };
  pull("docker.io/acme/add");
  ASSERT_TRUE(wait_until([&] {
    return by_ns("manifests/" + digest).has("X-Cache: HIT") &&
           by_ns("blobs/" + base::sha256(layer).to_string()).has("X-Cache: HIT") &&
           by_ns("blobs/" + base::sha256("{}").to_string()).has("X-Cache: HIT");
  }));
  EXPECT_EQ(registry.requests("GET", "/blobs/sha256:"), 2U) << "config and layer, once";
  registry.stop();
  pull("docker.io/acme/add");
  pull(mirror() + "/acme/add");
  pull(mirror() + "/docker.io/acme/add");
  EXPECT_TRUE(by_ns("manifests/" + digest).has("OCI-Namespace: docker.io"));
}

}  // namespace
}  // namespace propeller::cmd
