#include <gtest/gtest.h>

#include <boost/asio/ssl.hpp>
#include <thread>

#include "net/tls_fixture.hpp"

namespace propeller::net {
namespace {

/// What a client of `site` says to a server with `identity`.
Error refusal(const TlsSite& site, std::shared_ptr<const TlsIdentity> identity, const std::string& host = "localhost") {
  Loop loop;
  ServerTls server(TlsSite::always(std::move(identity)));
  const auto client = site.client();
  auto pair = shake_hands(loop, server, *client, host);
  EXPECT_FALSE(pair.client) << "a connection that must not be";
  return pair.client ? Error{} : pair.client.error();
}

void expect_refusal(const Error& error, std::string_view text) {
  EXPECT_EQ(error.code, Code::tls_certificate) << error.detail;
  EXPECT_EQ(error.origin, Origin::upstream);
  EXPECT_TRUE(error.detail.contains(text)) << error.detail;
}

TEST(ClientTls, RefusesAnExpiredCertificateAndSaysSince) {
  const TlsSite site;
  expect_refusal(refusal(site, make_certificate({.issuer = site.authority, .days_from = -10, .days_to = -2})),
                 "the certificate of localhost expired on 20");
}

TEST(ClientTls, RefusesACertificateOfTheFuture) {
  const TlsSite site;
  expect_refusal(refusal(site, make_certificate({.issuer = site.authority, .days_from = 3, .days_to = 9})),
                 "not valid before");
}

TEST(ClientTls, RefusesACertificateForAnotherNameAndSaysWhose) {
  const TlsSite site;
  expect_refusal(refusal(site, site.issue("DNS:other.example,IP:192.0.2.7"), "mine.example"),
                 "not for mine.example but for other.example, 192.0.2.7");
}

TEST(ClientTls, RefusesACertificateForAnotherAddress) {
  const TlsSite site;
  expect_refusal(refusal(site, site.issue("DNS:localhost,IP:192.0.2.7"), "127.0.0.1"), "not for 127.0.0.1");
}

// Names belong into the extension for them (RFC 9525 6.3); a common name is a label.
TEST(ClientTls, TheCommonNameIsNoHostName) {
  const TlsSite site;
  expect_refusal(
      refusal(site, make_certificate({.common_name = "localhost", .alt_names = "", .issuer = site.authority})),
      "but for no name at all");
}

TEST(ClientTls, RefusesASelfSignedCertificate) {
  expect_refusal(refusal(TlsSite(), make_certificate({})), "self-signed");
}

TEST(ClientTls, RefusesAnUnknownIssuerAndNamesIt) {
  const auto stranger = make_test_authority("Stranger CA");
  expect_refusal(refusal(TlsSite(), make_certificate({.issuer = stranger})), "unknown issuer (CN=Stranger CA)");
}

// Our own server would not show such a certificate, so it is one of OpenSSL with its guards down.
TEST(ClientTls, RefusesAWeakDigest) {
  Loop loop;
  const TlsSite site;
  const auto weak = make_certificate({.issuer = site.authority, .digest = "SHA1"});
  tcp::acceptor acceptor(loop.context, {asio::ip::address_v4::loopback(), 0});
  std::jthread server([&] {
    asio::ssl::context context(asio::ssl::context::tls_server);
    ::SSL_CTX_set_security_level(context.native_handle(), 0);
    ::SSL_CTX_use_certificate(context.native_handle(), weak->certificate.get());
    ::SSL_CTX_use_PrivateKey(context.native_handle(), weak->key.get());
    asio::ssl::stream<tcp::socket> stream(acceptor.accept(), context);
    boost::system::error_code ignored;
    stream.handshake(asio::ssl::stream_base::server, ignored);
  });
  const auto client = site.client();
  TlsPair made;
  loop.run(connect_tls(*client, connect_to(loop.context, acceptor.local_endpoint()),
                       {.host = "localhost", .deadline = soon()}, made.client));
  ASSERT_FALSE(made.client);
  expect_refusal(made.client.error(), "weak digest");
}

TEST(ClientTls, AcceptsAnAddressOfTheCertificate) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  EXPECT_TRUE(shake_hands(loop, server, *client, "127.0.0.1").client);
}

TEST(ClientTls, OnlyTheHostsListedAreSparedTheCheck) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(make_certificate({})));
  const auto client = site.client({"lab.example", "*.dev.example"});
  const auto lab = shake_hands(loop, server, *client, "LAB.example");
  ASSERT_TRUE(lab.client);
  EXPECT_EQ((*lab.client)->info().tls->verified_name, "");
  EXPECT_TRUE(shake_hands(loop, server, *client, "a.b.dev.example").client);
  EXPECT_FALSE(shake_hands(loop, server, *client, "dev.example").client);
  EXPECT_FALSE(shake_hands(loop, server, *client, "notlab.example").client);
}

TEST(ClientTls, AFileThatIsNoCertificateIsABadConfiguration) {
  const auto missing = ClientTls::create({.ca_files = {"/nonexistent"}, .uses_system_ca = false});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::bad_config);
  EXPECT_TRUE(missing.error().detail.contains("/nonexistent"));
}

TEST(ServerTls, ChoosesTheCertificateByTheNameAskedForInLowerCase) {
  Loop loop;
  const TlsSite site;
  std::vector<std::string> asked;
  const auto first = site.issue("DNS:a.example"), second = site.issue("DNS:b.example,IP:127.0.0.1");
  ServerTls server([&](std::string_view name) {
    asked.emplace_back(name);
    return name == "a.example" ? first : second;
  });
  const auto client = site.client();
  EXPECT_TRUE(shake_hands(loop, server, *client, "A.example").client);
  EXPECT_TRUE(shake_hands(loop, server, *client, "b.example").client);
  EXPECT_TRUE(shake_hands(loop, server, *client, "127.0.0.1").client);  // no name is sent for an address
  EXPECT_EQ(asked, (std::vector<std::string>{"a.example", "b.example", ""}));
}

TEST(ServerTls, HearsThatTheClientDoesNotTrustIt) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(make_certificate({})));
  const auto client = site.client();
  const auto pair = shake_hands(loop, server, *client);
  ASSERT_FALSE(pair.server);
  EXPECT_EQ(pair.server.error().code, Code::tls_certificate);
  EXPECT_EQ(pair.server.error().origin, Origin::client);
}

TEST(ServerTls, WithoutACommonProtocolThereIsNoConnection) {
  Loop loop;
  const TlsSite site;
  ServerTls server(TlsSite::always(site.issue()));
  const auto client = site.client();
  EXPECT_FALSE(shake_hands(loop, server, *client, "localhost", {"h2"}, {"http/1.1"}).client);
  EXPECT_EQ((*shake_hands(loop, server, *client, "localhost", {"h2"}, {}).client)->info().tls->alpn, "");
}

TEST(ServerTls, ANameWithoutACertificateEndsTheHandshake) {
  Loop loop;
  const TlsSite site;
  ServerTls server([](std::string_view) { return nullptr; });
  const auto client = site.client();
  const auto pair = shake_hands(loop, server, *client);
  EXPECT_EQ(pair.client.error().code, Code::tls_failed);
  EXPECT_EQ(pair.server.error().code, Code::tls_failed);
}

TEST(SessionCache, ForgetsTheKeyUsedLongestAgo) {
  SessionCache cache;
  const auto put = [&](std::size_t i) { cache.put(std::to_string(i), SessionPtr(::SSL_SESSION_new())); };
  for (std::size_t i = 0; i < SessionCache::kKeysMax; ++i) put(i);
  put(0);
  put(SessionCache::kKeysMax);
  EXPECT_EQ(cache.keys(), SessionCache::kKeysMax);
  EXPECT_TRUE(cache.take("0"));
  EXPECT_FALSE(cache.take("1"));
}

TEST(SessionCache, KeepsAFewSessionsOfOneKey) {
  SessionCache cache;
  for (std::size_t i = 0; i < SessionCache::kSessionsPerKeyMax + 3; ++i)
    cache.put("host", SessionPtr(::SSL_SESSION_new()));
  std::size_t taken = 0;
  while (cache.take("host")) ++taken;
  EXPECT_EQ(taken, SessionCache::kSessionsPerKeyMax);
  EXPECT_EQ(cache.keys(), 0u);
}

}  // namespace
}  // namespace propeller::net
