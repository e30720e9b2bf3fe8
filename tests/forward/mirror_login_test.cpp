// Who logs in to a registry: the caller, or the mirror in its stead.
#include <gmock/gmock.h>

#include "forward/mirror_fixture.hpp"

namespace propeller::forward {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FaultKind;

config::MirrorUpstream as_ann(const std::string& url) {
  return {
      .name = "private.test", .url = url, .ca = {}, .credentials = {.username = "ann", .password = Secret("secret")}};
}

TEST_F(MirrorTest, ACallerWithoutCredentialsGetsAPublicBlobThroughAnAnonymousTokenOfTheMirror) {
  FakeRegistry hub_with_tokens({.auth = FakeAuth::bearer});
  hub_with_tokens.push_blob("acme/m", "one");
  hub_with_tokens.push_blob("acme/m", "two");
  site.settings.mirror.upstreams[0].url = hub_with_tokens.url();
  site.settings.threads = 1;  // each core has tokens of its own
  site.start();
  EXPECT_EQ(ask(target("acme/m", "one")).body, "one");
  EXPECT_EQ(ask(target("acme/m", "two")).body, "two");
  EXPECT_EQ(hub_with_tokens.requests_with("/token"), 1);
  EXPECT_EQ(hub_with_tokens.requests_with("/blobs/"), 3) << "the first was asked for twice";
  EXPECT_TRUE(site.has_stored(2)) << "what anybody gets is kept";
}

// Followers of a download would each see the 401 of the one that began it, and log in.
TEST_F(MirrorTest, ACrowdIsOneLoginAndOneDownload) {
  FakeRegistry hub_with_tokens({.auth = FakeAuth::bearer});
  const auto bytes = noise(200'000);
  hub_with_tokens.push_blob("acme/m", bytes);
  hub_with_tokens.inject("/blobs/", {.kind = FaultKind::trickle, .bytes = 20'000});
  site.settings.mirror.upstreams[0].url = hub_with_tokens.url();
  site.start();
  std::vector<Peer> crowd;
  for (int i = 0; i < 8; ++i) {
    crowd.push_back(Peer::connect(site.port()));
    crowd.back().send("GET " + target("acme/m", bytes) + " HTTP/1.1\r\nHost: site\r\n\r\n");
  }
  for (auto& each : crowd) EXPECT_TRUE(read_reply(each).body == bytes);
  EXPECT_EQ(hub_with_tokens.requests_with("/token"), 1);
  EXPECT_EQ(hub_with_tokens.requests_with("/blobs/"), 2) << "without a token, and with one";
}

TEST_F(MirrorTest, ATokenThatIsRefusedIsFetchedAnewOnce) {
  FakeRegistry hub_with_tokens({.auth = FakeAuth::bearer});
  hub_with_tokens.push_blob("acme/m", "one");
  hub_with_tokens.push_blob("acme/m", "two");
  site.settings.mirror.upstreams[0].url = hub_with_tokens.url();
  site.settings.threads = 1;
  site.start();
  EXPECT_EQ(ask(target("acme/m", "one")).body, "one");
  hub_with_tokens.revoke_tokens();
  EXPECT_EQ(ask(target("acme/m", "two")).body, "two");
  EXPECT_EQ(hub_with_tokens.requests_with("/token"), 2);
}

TEST_F(MirrorTest, ConfiguredCredentialsLogInAndWhatComesIsForThoseWhoMayUseThem) {
  for (const auto auth : {FakeAuth::bearer, FakeAuth::basic}) {
    FakeRegistry private_registry({.auth = auth, .username = "ann", .password = "secret"});
    private_registry.push_blob("acme/m", "private");
    site.settings.mirror.upstreams = {as_ann(private_registry.url())};
    site.start();
    EXPECT_EQ(ask(target("acme/m", "private")).body, "private");
    ASSERT_TRUE(site.has_stored(1));
    EXPECT_TRUE(ask(target("acme/m", "private")).is_hit());
    EXPECT_EQ(private_registry.requests_with("/blobs/"), 2) << "with a 401 before";
    EXPECT_EQ(site.get(private_registry.url() + target("acme/m", "private")).status, 401)
        << "who names the registry himself has nothing to do with the mirror's login";
    site.stop();
    std::filesystem::remove_all(site.options.directory);
  }
}

TEST_F(MirrorTest, ARegistryBehindAnUpstreamProxyIsLoggedInToAsWell) {
  const support::TempDir there;
  CacheSite outer(there.path());
  outer.start();
  FakeRegistry private_registry({.auth = FakeAuth::bearer, .username = "ann", .password = "secret"});
  private_registry.push_blob("acme/m", "private");
  site.settings.mirror.upstreams = {as_ann(private_registry.url())};
  site.go_through(outer);
  site.start();
  EXPECT_EQ(ask(target("acme/m", "private")).body, "private");
  EXPECT_THAT(private_registry.requests().back().field("via"), testing::HasSubstr(",")) << "by way of both";
  site.stop();
}

// Two names of one registry, each with a login of its own.
TEST_F(MirrorTest, OneLoginOpensNothingForAnother) {
  for (const auto content : {config::PrivateContent::verify, config::PrivateContent::proxy_credentials}) {
    site.settings.cache.private_content = content;
    FakeRegistry private_registry({.auth = FakeAuth::basic, .username = "ann", .password = "secret"});
    private_registry.push_blob("acme/m", "private");
    auto other = as_ann(private_registry.url());
    other.name = "wrong.test";
    other.credentials.password = Secret("wrong");
    site.settings.mirror.upstreams = {as_ann(private_registry.url()), other};
    site.start();
    EXPECT_EQ(ask(target("private.test/acme/m", "private")).body, "private");
    ASSERT_TRUE(site.has_stored(1));
    EXPECT_EQ(ask(target("wrong.test/acme/m", "private")).status, 401);
    EXPECT_TRUE(ask(target("private.test/acme/m", "private")).is_hit());
    site.stop();
    std::filesystem::remove_all(site.options.directory);
  }
}

TEST_F(MirrorTest, WhatItsLoginHasBroughtIsAskedForAgainOrNotAsTheConfigurationSays) {
  for (const auto content : {config::PrivateContent::verify, config::PrivateContent::proxy_credentials}) {
    site.settings.cache.private_content = content;
    site.settings.cache.private_ttl = std::chrono::milliseconds(0);
    FakeRegistry private_registry({.auth = FakeAuth::basic, .username = "ann", .password = "secret"});
    private_registry.push_blob("acme/m", "private");
    site.settings.mirror.upstreams = {as_ann(private_registry.url())};
    site.start();
    EXPECT_EQ(ask(target("acme/m", "private")).body, "private");
    ASSERT_TRUE(site.has_stored(1));
    private_registry.inject("/blobs/", {.kind = FaultKind::status, .status = 503});
    const auto later = ask(target("acme/m", "private"));
    EXPECT_EQ(later.status, content == config::PrivateContent::verify ? 503 : 200) << later.head;
    site.stop();
    std::filesystem::remove_all(site.options.directory);
  }
}

TEST_F(MirrorTest, ATokenOrDockersConfigurationLogInToo) {
  FakeRegistry private_registry({.auth = FakeAuth::basic, .username = "ann", .password = "secret"});
  private_registry.push_blob("acme/m", "private");
  support::write_file(directory / "config.json",
                      R"({"auths":{")" + private_registry.host() + R"(":{"auth":"YW5uOnNlY3JldA=="}}})");
  http::PeerListener other;
  site.settings.mirror.upstreams = {
      {.name = "file.test",
       .url = private_registry.url(),
       .ca = {},
       .credentials = {.username = {}, .password = {}, .token = {}, .docker_config = directory / "config.json"}},
      {.name = "token.test",
       .url = "http://127.0.0.1:" + std::to_string(other.port()),
       .ca = {},
       .credentials = {.username = {}, .password = {}, .token = Secret("TOKEN"), .docker_config = {}}}};
  site.start();
  EXPECT_EQ(ask(target("file.test/acme/m", "private")).body, "private");

  auto peer = Peer::connect(site.port());
  peer.send("GET /v2/token.test/acme/m/tags/list HTTP/1.1\r\nHost: site\r\n\r\n");
  auto asked = other.accept();
  EXPECT_FALSE(asked.read_head().contains("uthorization"));
  asked.send(
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://x.test/\"\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(http::contains_ignoring_case(asked.read_head(), "Authorization: Bearer TOKEN\r\n"));
  asked.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(read_reply(peer).body, "{}");
}

TEST_F(MirrorTest, ACallersOwnCredentialsAndTheRefusalOfThemPassUntouched) {
  FakeRegistry private_registry({.auth = FakeAuth::basic, .username = "bob", .password = "own"});
  private_registry.push_blob("acme/m", "private");
  site.settings.mirror.upstreams = {as_ann(private_registry.url())};
  site.start();
  EXPECT_EQ(ask(target("acme/m", "private"), "Authorization: Basic Ym9iOm93bg==\r\n").body, "private");
  const auto refused = ask(target("acme/m", "private"), "Authorization: Basic d3Jvbmc6d3Jvbmc=\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.field("WWW-Authenticate").value_or("").starts_with("Basic "));
  for (const auto& request : private_registry.requests())
    EXPECT_NE(request.field("authorization"), "Basic YW5uOnNlY3JldA==") << "the mirror's own";
}

TEST_F(MirrorTest, WhereNoLoginHelpsTheRegistrysOwnRefusalIsTheAnswer) {
  FakeRegistry private_registry({.auth = FakeAuth::bearer, .username = "ann", .password = "secret"});
  private_registry.push_blob("acme/m", "private");
  site.settings.mirror.upstreams[0].url = private_registry.url();
  site.start();
  const auto refused = ask(target("acme/m", "private"));
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.field("WWW-Authenticate").value_or("").starts_with("Bearer realm=")) << refused.head;
  EXPECT_EQ(private_registry.requests_with("/token"), 1);
}

// A registry over TLS that names a token server in the clear gets no credentials sent there.
TEST_F(MirrorTest, CredentialsDoNotGoToATokenServerInTheClear) {
  const support::TlsFiles tls;
  FakeRegistry tokens({.auth = FakeAuth::bearer, .username = "ann", .password = "secret"});
  FakeRegistry secure({.auth = FakeAuth::bearer, .tls = &tls, .realm = tokens.url() + "/token"});
  secure.push_blob("acme/m", "private");
  site.settings.mirror.upstreams = {{.name = "private.test",
                                     .url = secure.url(),
                                     .ca = tls.ca(),
                                     .credentials = {.username = "ann", .password = Secret("secret")}}};
  site.start();
  EXPECT_EQ(ask(target("acme/m", "private")).status, 401);
  EXPECT_TRUE(tokens.requests().empty());
  site.stop();
}

}  // namespace
}  // namespace propeller::forward
