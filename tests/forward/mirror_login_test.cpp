// Who logs in to a registry: the caller, or the mirror in its stead.
#include "forward/mirror_fixture.hpp"

namespace propeller::forward {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FaultKind;

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

TEST_F(MirrorTest, ConfiguredCredentialsLogInAndWhatComesIsNotKept) {
  for (const auto auth : {FakeAuth::bearer, FakeAuth::basic}) {
    FakeRegistry private_registry({.auth = auth, .username = "ann", .password = "secret"});
    private_registry.push_blob("acme/m", "private");
    site.settings.mirror.upstreams = {{.name = "private.test",
                                       .url = private_registry.url(),
                                       .ca = {},
                                       .credentials = {.username = "ann", .password = Secret("secret")}}};
    site.start();
    for (int i = 0; i < 2; ++i) {
      const auto got = ask(target("acme/m", "private"));
      EXPECT_EQ(got.body, "private") << got.head;
      EXPECT_FALSE(got.is_hit());
    }
    EXPECT_TRUE(site.is_idle());
    EXPECT_EQ(site.proxy->cache_stats().stores, 0U);
    site.stop();
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
  site.settings.mirror.upstreams = {{.name = "private.test",
                                     .url = private_registry.url(),
                                     .ca = {},
                                     .credentials = {.username = "ann", .password = Secret("secret")}}};
  site.start();
  EXPECT_EQ(ask(target("acme/m", "private"), "Authorization: Basic Ym9iOm93bg==\r\n").body, "private");
  const auto refused = ask(target("acme/m", "private"), "Authorization: Basic d3Jvbmc6d3Jvbmc=\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.field("WWW-Authenticate").value_or("").starts_with("Basic "));
  for (const auto& request : private_registry.requests())
    EXPECT_NE(request.field("authorization"), "Basic YW5uOnNlY3JldA==") << "the mirror's own";
  EXPECT_EQ(site.proxy->cache_stats().stores, 0U);
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
