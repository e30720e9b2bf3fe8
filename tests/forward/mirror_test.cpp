// The mirror of registries on the proxy's own port, as Docker, containerd and Podman ask it.
#include <gmock/gmock.h>

#include "forward/mirror_fixture.hpp"
#include "forward/scripted_origin.hpp"

namespace propeller::forward {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FaultKind;

TEST_F(MirrorTest, ABlobOfTheDefaultRegistryIsFetchedOnceAndServedWithTheRegistryDown) {
  site.settings.proxy.allow_targets.clear();  // the operator named the registry, on loopback or not
  site.start();
  hub.push_blob("library/alpine", "layer");
  const auto first = ask(target("alpine", "layer"));
  EXPECT_EQ(first.status, 200) << first.head;
  EXPECT_EQ(first.body, "layer");
  EXPECT_EQ(first.field("OCI-Namespace"), "docker.io");
  ASSERT_TRUE(site.has_stored(1));
  hub.inject("/v2/", {.kind = FaultKind::close});
  const auto again = ask(target("alpine", "layer"));
  EXPECT_TRUE(again.is_hit()) << again.head;
  EXPECT_EQ(again.body, "layer");
  EXPECT_EQ(again.field("OCI-Namespace"), "docker.io");
  EXPECT_EQ(hub.requests_with("/blobs/"), 1);
}

TEST_F(MirrorTest, ATagOfARegistryThatNamesNoDigestHasTheDigestOfWhatCame) {
  const ScriptedOrigin silent{[](const support::SeenRequest& request) {
    const std::string manifest = R"({"layers":[]})";
    auto response = scripted(200, "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", manifest);
    if (request.method == "HEAD") response.resize(response.size() - manifest.size());
    return response;
  }};
  add_upstream({.name = "a.test", .url = silent.url(""), .ca = {}, .credentials = {}});
  site.start();
  const auto got = ask("/v2/acme/m/manifests/v1?ns=a.test");
  EXPECT_EQ(got.status, 200) << got.head;
  EXPECT_EQ(got.body, R"({"layers":[]})");
  EXPECT_EQ(got.field("Docker-Content-Digest"), base::sha256(got.body).to_string());
}

// One download, whichever way it is asked for.
TEST_F(MirrorTest, WhatWasPulledThroughTheProxyIsThereForTheMirrorAndTheOtherWayRound) {
  site.start();
  hub.push_blob("acme/one", "one");
  hub.push_blob("acme/two", "two");
  EXPECT_EQ(site.get(hub.url() + target("acme/one", "one")).body, "one");
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(ask(target("acme/one", "one")).is_hit());
  EXPECT_EQ(ask(target("acme/two", "two")).body, "two");
  ASSERT_TRUE(site.has_stored(2));
  EXPECT_TRUE(site.get(hub.url() + target("acme/two", "two")).is_hit());
}

TEST_F(MirrorTest, NsIsAKeyIntoTheConfigurationAndIsNotSentOn) {
  FakeRegistry other;
  other.push_blob("acme/m", "other");
  add_upstream({.name = "ghcr.io", .url = other.url(), .ca = {}, .credentials = {}});
  site.start();
  const auto got = ask(target("acme/m", "other") + "?ns=ghcr.io");
  EXPECT_EQ(got.body, "other") << got.head;
  EXPECT_EQ(got.field("OCI-Namespace"), "ghcr.io");
  ASSERT_EQ(other.requests().size(), 1U);
  EXPECT_EQ(other.requests()[0].target, target("acme/m", "other"));
  EXPECT_TRUE(hub.requests().empty());
}

TEST_F(MirrorTest, AnNsThatIsNotConfiguredIsNeverDialled) {
  FakeRegistry other;
  other.push_blob("acme/m", "other");
  site.start();
  const auto got = ask(target("acme/m", "other") + "?ns=127.0.0.1%3A" + std::to_string(other.port()));
  EXPECT_EQ(got.status, 404);
  EXPECT_EQ(got.field("Content-Type"), "application/json");
  EXPECT_TRUE(got.body.contains(R"("code":"NAME_UNKNOWN")")) << got.body;
  EXPECT_TRUE(got.body.contains("mirror.upstreams with name: " + other.host())) << got.body;
  EXPECT_TRUE(other.requests().empty());
  EXPECT_TRUE(hub.requests().empty());
}

TEST_F(MirrorTest, TheFirstSegmentOfThePathNamesARegistryToo) {
  FakeRegistry other;
  other.push_blob("owner/image", "other");
  add_upstream({.name = "ghcr.io", .url = other.url(), .ca = {}, .credentials = {}});
  site.start();
  EXPECT_EQ(ask(target("ghcr.io/owner/image", "other")).body, "other");
  EXPECT_EQ(ask("/v2/ghcr.io/owner/image/tags/list").field("OCI-Namespace"), "ghcr.io");
}

TEST_F(MirrorTest, WithoutADockerHubTheNamedOrFirstOneIsTheDefault) {
  FakeRegistry other;
  other.push_blob("acme/m", "other");
  site.settings.mirror.upstreams = {{.name = "first.test", .url = hub.url(), .ca = {}, .credentials = {}},
                                    {.name = "second.test", .url = other.url(), .ca = {}, .credentials = {}}};
  site.start();
  EXPECT_EQ(ask("/v2/m/manifests/v1").field("OCI-Namespace"), "first.test");
  EXPECT_EQ(hub.requests().back().target, "/v2/m/manifests/v1") << "library/ is Docker Hub's alone";
  site.stop();
  site.settings.mirror.default_name = "second.test";
  site.start();
  EXPECT_EQ(ask(target("acme/m", "other")).body, "other");
}

TEST_F(MirrorTest, TheNamesOfDockerHubAreOne) {
  hub.push_blob("acme/m", "bytes");
  site.start();
  for (const std::string name : {"docker.io", "index.docker.io", "registry-1.docker.io"})
    EXPECT_EQ(ask(target("acme/m", "bytes") + "?ns=" + name).body, "bytes") << name;
}

TEST_F(MirrorTest, ListsOfTagsPassThrough) {
  hub.push_manifest("acme/m", "v1", "{}");
  site.start();
  (void)ask("/v2/acme/m/tags/list?n=2&ns=docker.io&last=a");
  EXPECT_EQ(hub.requests().back().target, "/v2/acme/m/tags/list?n=2&last=a");
}

TEST_F(MirrorTest, ThePingIsAnsweredWithoutARegistry) {
  hub.inject("/v2/", {.kind = FaultKind::close});
  site.start();
  for (const std::string path : {"/v2/", "/v2", "/v2/?ns=docker.io"}) {
    const auto got = ask(path);
    EXPECT_EQ(got.status, 200) << path;
    EXPECT_EQ(got.field("Docker-Distribution-Api-Version"), "registry/2.0");
  }
  EXPECT_EQ(ask("/v2/?ns=unknown.test").status, 404);
  EXPECT_TRUE(hub.requests().empty());
}

TEST_F(MirrorTest, WritingIsRefused) {
  site.start();
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE"}) {
    const auto got = ask("/v2/acme/m/blobs/uploads/", "Content-Length: 0\r\n", method);
    EXPECT_EQ(got.status, 405) << method;
    EXPECT_EQ(got.field("Allow"), "GET, HEAD");
    EXPECT_TRUE(got.body.contains(R"("code":"UNSUPPORTED")")) << got.body;
  }
  EXPECT_TRUE(hub.requests().empty());
}

TEST_F(MirrorTest, NamesThatAreNoneGetNoFurther) {
  site.start();
  for (const std::string path : {"/v2/acme/../m/manifests/v1", "/v2/Acme/m/manifests/v1", "/v2/acme/m/manifests/-v1",
                                 "/v2/acme/m/blobs/sha256:12", "/v2/acme%2Fm/manifests/v1"}) {
    const auto got = ask(path);
    EXPECT_EQ(got.status, 400) << path;
    EXPECT_TRUE(got.body.contains("errors")) << got.body;
  }
  EXPECT_EQ(ask("/v2/_catalog").status, 404);
  EXPECT_TRUE(hub.requests().empty());
}

TEST_F(MirrorTest, WithoutItOriginFormIsWhatItWas) {
  site.settings.mirror.is_enabled = false;
  site.start();
  const auto got = ask("/v2/");
  EXPECT_EQ(got.status, 400);
  EXPECT_TRUE(got.body.contains("This is a proxy")) << got.body;
}

TEST_F(MirrorTest, WhoMayNotUseTheProxyMayNotUseTheMirror) {
  support::write_file(directory / "users", "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
  site.settings.proxy.users = directory / "users";
  hub.push_blob("acme/m", "bytes");
  site.start();
  EXPECT_EQ(ask(target("acme/m", "bytes")).status, 407);
  EXPECT_EQ(ask(target("acme/m", "bytes"), "Proxy-Authorization: Basic YWxpY2U6MTIzNDU2\r\n").body, "bytes");
  EXPECT_EQ(ask("/ca.crt").status, 200) << "it is no secret, and needed before";
}

TEST_F(MirrorTest, TheAllowListHoldsForRegistriesToo) {
  site.settings.rules.allowlist = {.is_enabled = true, .domains = {"*.example.org"}, .ips = {}};
  hub.push_blob("acme/m", "bytes");
  site.start();
  EXPECT_EQ(ask(target("acme/m", "bytes")).status, 403);
  EXPECT_TRUE(hub.requests().empty());
}

TEST_F(MirrorTest, ItsOwnPortIsNotReachedAsARegistry) {
  site.settings.proxy.listen[0].port = support::free_port();
  site.settings.mirror.upstreams[0].url = "http://127.0.0.1:" + std::to_string(site.settings.proxy.listen[0].port);
  site.start();
  EXPECT_EQ(ask("/v2/acme/m/tags/list").status, 403);
}

TEST_F(MirrorTest, ARegistryIsTrustedByItsOwnCa) {
  const support::TlsFiles tls;
  FakeRegistry secure({.tls = &tls});
  secure.push_blob("acme/m", "secure");
  add_upstream({.name = "secure.test", .url = secure.url(), .ca = tls.ca(), .credentials = {}});
  add_upstream({.name = "unknown.test", .url = secure.url(), .ca = {}, .credentials = {}});
  site.start();
  EXPECT_EQ(ask(target("secure.test/acme/m", "secure")).body, "secure");
  const auto distrusted = ask("/v2/unknown.test/acme/m/manifests/v1");
  EXPECT_EQ(distrusted.status, 502);
  EXPECT_TRUE(distrusted.field("Proxy-Status").value_or("").contains("tls_certificate_error"));
  site.stop();  // before the server: it would write its farewell to a connection that is gone
}

// As clients do that reach it by https: they take HTTP/2 where they can get it.
TEST_F(MirrorTest, OverTlsItIsThereForBothVersionsOfHttp) {
  hub.push_blob("acme/m", "bytes");
  site.start();
  const auto port = std::to_string(site.port());
  const auto fetch = [&](const std::string& version, const std::string& host, const std::string& path) {
    return support::run_command({"curl", "-sS", "--cacert", (site.settings.tls.cert_dir / "ca.crt").string(),
                                 "--resolve", "site.test:" + port + ":127.0.0.1", "-w", " %{http_version}", version,
                                 "https://" + host + ":" + port + path});
  };
  for (const std::string host : {"site.test", "127.0.0.1"}) {
    EXPECT_EQ(fetch("--http1.1", host, target("acme/m", "bytes")), "bytes 1.1");
    EXPECT_EQ(fetch("--http2", host, target("acme/m", "bytes")), "bytes 2");
    EXPECT_THAT(fetch("--http2", host, "/ca.crt"), testing::StartsWith("-----BEGIN CERTIFICATE-----"));
  }
  // Who asks for another host asks by way of us.
  EXPECT_THAT(support::run_command({"curl", "-sS", "--cacert", (site.settings.tls.cert_dir / "ca.crt").string(),
                                    "--http2", "-H", "Host: 127.0.0.2:" + port, "https://127.0.0.1:" + port + "/v2/"}),
              testing::Not(testing::HasSubstr("{}")));
}

TEST_F(MirrorTest, TheNextPageOfAListIsOfTheSameRegistry) {
  http::PeerListener other;
  add_upstream(
      {.name = "ghcr.io", .url = "http://127.0.0.1:" + std::to_string(other.port()), .ca = {}, .credentials = {}});
  site.start();
  auto peer = Peer::connect(site.port());
  peer.send("GET /v2/acme/m/tags/list?n=1&ns=ghcr.io HTTP/1.1\r\nHost: site\r\n\r\n");
  auto asked = other.accept();
  asked.read_head();
  asked.send("HTTP/1.1 200 OK\r\nLink: </v2/acme/m/tags/list?n=1&last=a>; rel=\"next\"\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(read_reply(peer).field("Link"), "</v2/ghcr.io/acme/m/tags/list?n=1&last=a>; rel=\"next\"");
}

// The next question gets the prefix again.
TEST_F(MirrorTest, TheNextPageIsAskedForWithoutTheUpstreamsPrefix) {
  http::PeerListener other;
  const auto url = "http://127.0.0.1:" + std::to_string(other.port()) + "/team/cache";
  site.settings.mirror.upstreams = {{.name = "docker.io", .url = url, .ca = {}, .credentials = {}},
                                    {.name = "ghcr.io", .url = url, .ca = {}, .credentials = {}}};
  site.start();
  for (const std::string start : {"/v2/", "/v2/ghcr.io/"}) {
    auto peer = Peer::connect(site.port());
    peer.send("GET " + start + "acme/m/tags/list?n=1 HTTP/1.1\r\nHost: site\r\n\r\n");
    auto asked = other.accept();
    EXPECT_THAT(asked.read_head(), testing::StartsWith("GET /v2/team/cache/acme/m/tags/list?n=1 "));
    asked.send(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nLink: </v2/team/cache/acme/m/tags/list?n=1&last=a>; rel=\"next\"\r\n"
        "Content-Length: 2\r\n\r\n{}");
    EXPECT_EQ(read_reply(peer).field("Link"), "<" + start + "acme/m/tags/list?n=1&last=a>; rel=\"next\"");
  }
}

TEST_F(MirrorTest, SaysWhatTheRegistryLetsItPull) {
  http::PeerListener other;
  site.settings.mirror.upstreams[0].url = "http://127.0.0.1:" + std::to_string(other.port());
  site.start();
  EXPECT_EQ(site.proxy->rate_limit("docker.io"), std::nullopt);
  auto peer = Peer::connect(site.port());
  peer.send("HEAD /v2/acme/m/manifests/v1 HTTP/1.1\r\nHost: site\r\n\r\n");
  auto asked = other.accept();
  asked.read_head();
  asked.send(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nratelimit-limit: 100;w=21600\r\nratelimit-remaining: 76;w=21600\r\n"
      "docker-ratelimit-source: 192.0.2.1\r\n\r\n");
  EXPECT_EQ(read_reply(peer, false).status, 200);
  const RateLimit expected{.limit = 100, .remaining = 76, .window_seconds = 21600, .source = "192.0.2.1"};
  EXPECT_EQ(site.proxy->rate_limit("index.docker.io"), expected);
}

}  // namespace
}  // namespace propeller::forward
