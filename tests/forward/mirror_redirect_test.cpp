// Registries that keep their blobs elsewhere: the mirror goes there itself, and keeps what comes under the blob's key.
#include <gmock/gmock.h>

#include "forward/mirror_fixture.hpp"

namespace propeller::forward {
namespace {

using support::FakeAuth;
using support::FakeRegistry;
using support::FaultKind;

class MirrorRedirect : public MirrorTest {
 protected:
  /// The hub sends everybody who asks for the blob to `storage`, with a signature.
  void redirect(std::string_view bytes) {
    storage.push_blob("store", std::string(bytes));
    hub.inject("/v2/acme/m/blobs/", {.kind = FaultKind::redirect, .value = stored(bytes)});
  }
  [[nodiscard]] std::string stored(std::string_view bytes) const {
    return storage.url() + target("store", bytes) + "?X-Signature=a%2fb%7E";
  }

  FakeRegistry storage;
};

TEST_F(MirrorRedirect, TheBytesComeFromTheStorageAndAreKeptUnderTheBlob) {
  redirect("bytes");
  site.start();
  const auto got = ask(target("acme/m", "bytes"));
  EXPECT_EQ(got.status, 200) << got.head;
  EXPECT_EQ(got.body, "bytes");
  EXPECT_EQ(got.field("Docker-Content-Digest"), base::sha256("bytes").to_string());
  ASSERT_TRUE(site.has_stored(1));
  EXPECT_TRUE(ask(target("acme/m", "bytes")).is_hit());
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_TRUE(storage.requests()[0].target.ends_with("?X-Signature=a%2fb%7E")) << "signed as it stands";
  EXPECT_EQ(hub.requests().size(), 1U);
}

TEST_F(MirrorRedirect, TheLoginAtAnUpstreamProxyGoesToNobodyElse) {
  const support::TempDir there;
  CacheSite outer(there.path());
  outer.settings.cache.is_enabled = false;  // or it follows redirects itself
  outer.settings.proxy.users = there / "users";
  support::write_file(outer.settings.proxy.users, "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
  outer.start();
  redirect("bytes");
  const auto last = support::FakeRegistry();
  const auto straight = "http://localhost:" + std::to_string(last.port()) + target("store", "bytes");
  storage.inject("/v2/store/blobs/", {.kind = FaultKind::redirect, .value = straight});
  site.go_through(outer);
  site.settings.proxy.upstream->username = "alice";
  site.settings.proxy.upstream->password = Secret("123456");
  site.settings.proxy.no_proxy = {"localhost"};
  site.start();
  EXPECT_EQ(ask(target("acme/m", "bytes")).status, 404) << "there it is not";
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_THAT(storage.requests()[0].field("via"), testing::HasSubstr(",")) << "by way of both";
  ASSERT_EQ(last.requests().size(), 1U);
  EXPECT_EQ(last.requests()[0].field("proxy-authorization"), "");
  site.stop();
}

TEST_F(MirrorRedirect, HeadIsFollowedToo) {
  redirect("bytes");
  site.start();
  const auto got = ask(target("acme/m", "bytes"), {}, "HEAD");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.announced(), 5U);
  EXPECT_EQ(storage.requests().at(0).method, "HEAD");
}

TEST_F(MirrorRedirect, CredentialsStayWithTheRegistry) {
  redirect("bytes");
  site.start();
  EXPECT_EQ(ask(target("acme/m", "bytes"), "Authorization: Bearer OWN\r\nX-Api-Key: KEY\r\nX-Other: kept\r\n").body,
            "bytes");
  EXPECT_EQ(hub.requests().at(0).field("authorization"), "Bearer OWN");
  EXPECT_EQ(storage.requests().at(0).field("authorization"), "");
  EXPECT_EQ(storage.requests().at(0).field("x-api-key"), "");
  EXPECT_EQ(storage.requests().at(0).field("x-other"), "kept");
}

TEST_F(MirrorRedirect, WhereItLeadsIsCheckedLikeAnyTarget) {
  redirect("bytes");
  site.settings.proxy.allow_targets.clear();
  site.start();
  const auto got = ask(target("acme/m", "bytes"));
  EXPECT_EQ(got.status, 403) << got.head;
  EXPECT_EQ(hub.requests().size(), 1U);
  EXPECT_TRUE(storage.requests().empty());
}

TEST_F(MirrorRedirect, SixInARowAreTooMany) {
  hub.push_blob("acme/m", "bytes");
  hub.inject("/blobs/", {.kind = FaultKind::redirect_loop});
  site.start();
  EXPECT_EQ(ask(target("acme/m", "bytes")).status, 502);
  EXPECT_EQ(hub.requests().size(), 6U);
}

TEST_F(MirrorRedirect, EncryptionIsNotGivenUp) {
  const support::TlsFiles tls;
  FakeRegistry secure({.tls = &tls});
  secure.push_blob("acme/m", "bytes");
  storage.push_blob("store", "bytes");
  secure.inject("/blobs/", {.kind = FaultKind::redirect, .value = stored("bytes")});
  site.settings.mirror.upstreams[0] = {.name = "docker.io", .url = secure.url(), .ca = tls.ca(), .credentials = {}};
  site.start();
  EXPECT_EQ(ask(target("acme/m", "bytes")).status, 502);
  EXPECT_TRUE(storage.requests().empty());
  site.stop();
}

// A download that broke off went on at the registry, which sends a redirect for a range too.
TEST_F(MirrorRedirect, ABrokenDownloadIsResumedAtTheStorage) {
  const auto bytes = noise(600'000);
  redirect(bytes);
  storage.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 300'000, .times = 1});
  site.start();
  EXPECT_TRUE(ask(target("acme/m", bytes)).body == bytes);
  EXPECT_TRUE(site.has_stored(1));
  EXPECT_EQ(storage.requests().size(), 2U);
  EXPECT_TRUE(storage.requests().back().field("range").starts_with("bytes=")) << "not from the start";
}

}  // namespace
}  // namespace propeller::forward
