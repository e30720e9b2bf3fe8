// The proxy as its users meet it: curl through a real listener, to servers of HTTP and HTTPS on loopback.
#include "forward/proxy_fixture.hpp"
#include "forward/tls_peer.hpp"

namespace propeller::forward {
namespace {

TEST_F(ProxyTest, CarriesAPlainRequestAndSaysSoInVia) {
  start();
  const auto got = curl({blob(plain, "plain bytes")});
  EXPECT_EQ(got.exit_code, 0) << got.output;
  EXPECT_TRUE(contains(got, "200 OK"));
  EXPECT_TRUE(contains(got, "plain bytes"));
  EXPECT_TRUE(contains(got, "1.1 propeller-proxy"));
  ASSERT_EQ(plain.requests().size(), 1U);
  EXPECT_TRUE(plain.requests()[0].field("via").starts_with("1.1 propeller-proxy-"));
}

TEST_F(ProxyTest, InterceptsHttpsWithALeafOfItsOwnAuthority) {
  start();
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto got = curl({blob(secure, "secure bytes", host)});
    EXPECT_EQ(got.exit_code, 0) << got.output;
    EXPECT_TRUE(contains(got, "secure bytes")) << host;
    EXPECT_TRUE(contains(got, "1.1 propeller-proxy")) << "not intercepted";
  }
}

// Each request was a CONNECT and a handshake of its own: answers lost their length, and closed the connection.
// Who has no instructions for AES puts the other one first.
TEST_F(ProxyTest, AnInterceptedClientGetsTheCipherThatIsCheapForIt) {
  start();
  const auto url = blob(secure, "secure bytes", "localhost");
  const std::string aes = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", chacha = "TLS_CHACHA20_POLY1305_SHA256";
  const auto agreed = [&](const std::string& offered) {
    const auto got = curl({"--verbose", "--tls13-ciphers", offered, url});
    EXPECT_TRUE(contains(got, "secure bytes")) << got.output;
    return got;
  };
  EXPECT_TRUE(contains(agreed(aes + ":" + chacha), "TLSv1.3 / TLS_AES_128_GCM_SHA256"));
  EXPECT_TRUE(contains(agreed(chacha + ":" + aes), "TLSv1.3 / TLS_CHACHA20_POLY1305_SHA256"));
}

TEST_F(ProxyTest, AnInterceptedConnectionIsKeptForTheNextRequest) {
  start();
  std::vector<std::string> arguments{"--http1.1", "-w", "%{num_connects} new, %header{content-length} long; "};
  for (int i = 0; i < 3; ++i) {
    for (const auto& each : {std::string("-o"), std::string("/dev/null"), blob(secure, "secure bytes", "localhost")})
      arguments.push_back(each);
  }
  EXPECT_EQ(curl(arguments).output, "1 new, 12 long; 0 new, 12 long; 0 new, 12 long; ");
}

// Of the proxies before: clients trust it already.
TEST_F(ProxyTest, AnAuthorityWithAnRsaKeyIsUsedAsItIs) {
  const auto certs = directory / "certs";
  std::filesystem::create_directories(certs);
  support::Subprocess made(
      {.arguments = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                     "/CN=Old Proxy CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout",
                     (certs / "ca.key").string(), "-out", (certs / "ca.crt").string()}});
  ASSERT_EQ(made.wait_exit(), 0) << made.output();
  const auto before = support::read_file(certs / "ca.crt");
  start();
  EXPECT_TRUE(contains(curl({blob(secure, "secure bytes")}), "secure bytes"));
  EXPECT_EQ(support::read_file(certs / "ca.crt"), before);
}

// Keys were made for every connection, which cost more than everything else together.
TEST_F(ProxyTest, TheLeafOfAHostIsMadeOnce) {
  start();
  const auto shown = [&](const std::string& host) {
    const auto target = host + ":" + std::to_string(secure.port());
    auto below = http::Peer::connect(port);
    below.send("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n");
    below.read_head();
    return TlsPeer(below, directory / "certs/ca.crt", host, "http/1.1").certificate();
  };
  const auto first = shown("localhost");
  EXPECT_FALSE(first.empty());
  EXPECT_TRUE(shown("localhost") == first);
  EXPECT_FALSE(shown("127.0.0.1") == first);
}

TEST_F(ProxyTest, HostsThatPassThroughShowTheirOwnCertificate) {
  settings.tls.passthrough = {"localhost"};
  start();
  EXPECT_EQ(curl({blob(secure, "secure bytes", "localhost")}).exit_code, 60) << "not signed by our authority";
  const auto got = curl({"--cacert", tls.ca().string(), blob(secure, "secure bytes", "localhost")});
  EXPECT_EQ(got.exit_code, 0) << got.output;
  EXPECT_FALSE(contains(got, "propeller-proxy"));
}

TEST_F(ProxyTest, AnUpstreamWithAWrongCertificateIsA502WithItsReason) {
  settings.tls.upstream_ca.clear();
  start();
  const auto got = curl({blob(secure, "secure bytes", "localhost")});
  EXPECT_TRUE(contains(got, " 502")) << got.output;
  EXPECT_TRUE(contains(got, "error=tls_certificate_error")) << got.output;
}

TEST_F(ProxyTest, OfTlsNothingOlderThanItsVersion12IsSpoken) {
  start();
  for (const bool is_old : {true, false}) {
    const auto served_at = support::free_port();
    support::Subprocess server(
        {.arguments = {"openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(served_at), "-cert",
                       tls.server_certificate().string(), "-key", tls.server_key().string(), "-www", "-cipher",
                       "DEFAULT@SECLEVEL=0", is_old ? "-tls1_1" : "-tls1_2"}});
    ASSERT_TRUE(server.wait_line("ACCEPT")) << server.output();
    const auto url = "https://127.0.0.1:" + std::to_string(served_at) + "/";
    EXPECT_TRUE(contains(curl({url}), is_old ? " 502" : " 200")) << "to an origin";
    const auto client = curl({"--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", is_old ? "1.1" : "1.2",
                              blob(secure, "secure bytes")});
    EXPECT_EQ(client.exit_code == 0, !is_old) << "from a client: " << client.output;
  }
}

// CONNECT to one host and Host of another got the other's credentials sent to the first.
TEST_F(ProxyTest, AnInnerHostOtherThanTheTunnelsGetsNothing) {
  settings.rules.headers = {{.pattern = "api.secret.test",
                             .conditions = {},
                             .set = {{.name = "Authorization", .value = Secret("Bearer TOP")}},
                             .append = {}}};
  start();
  const auto got = curl({"-H", "Host: api.secret.test", blob(secure, "secure bytes", "localhost")});
  EXPECT_TRUE(contains(got, " 421")) << got.output;
  EXPECT_TRUE(secure.requests().empty());
}

TEST_F(ProxyTest, HeaderRulesAreAppliedToTheVerifiedHost) {
  settings.rules.headers = {{.pattern = "localhost",
                             .conditions = {},
                             .set = {{.name = "X-Rule", .value = Secret("applied")}},
                             .append = {}}};
  start();
  EXPECT_EQ(curl({blob(secure, "secure bytes", "localhost")}).exit_code, 0);
  EXPECT_EQ(curl({blob(plain, "plain bytes", "127.0.0.1")}).exit_code, 0);
  ASSERT_EQ(secure.requests().size(), 1U);
  EXPECT_EQ(secure.requests()[0].field("x-rule"), "applied");
  ASSERT_EQ(plain.requests().size(), 1U);
  EXPECT_EQ(plain.requests()[0].field("x-rule"), "");
}

TEST_F(ProxyTest, WhatIsNotOnTheListIsForbiddenWithAReason) {
  settings.rules.allowlist = {.is_enabled = true, .domains = {"*.example.org"}, .ips = {}};
  start();
  const auto request = curl({blob(plain, "plain bytes", "localhost")});
  EXPECT_TRUE(contains(request, " 403")) << request.output;
  EXPECT_TRUE(contains(request, "error=http_request_denied"));
  const auto tunnel = curl({blob(secure, "secure bytes", "localhost")});
  EXPECT_TRUE(contains(tunnel, " 403")) << "also for CONNECT: " << tunnel.output;
  EXPECT_TRUE(plain.requests().empty());
  EXPECT_TRUE(secure.requests().empty());
}

TEST_F(ProxyTest, LoopbackIsNotReachedUnlessItIsAllowed) {
  settings.proxy.allow_targets.clear();
  start();
  for (const char* host : {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"}) {
    const auto got = curl({blob(plain, "plain bytes", host)});
    EXPECT_TRUE(contains(got, " 403")) << host << ": " << got.output;
  }
  EXPECT_TRUE(plain.requests().empty());
}

// What a cloud tells every machine about its keys.
TEST_F(ProxyTest, MetadataServicesAreNotReached) {
  start();
  for (const auto* url : {"http://169.254.169.254/", "https://169.254.169.254/", "http://[fe80::1]/",
                          "http://[::ffff:169.254.169.254]/"}) {
    EXPECT_TRUE(contains(curl({url}), "HTTP/1.1 403 ")) << url;
    EXPECT_EQ(curl_through("socks5h", {url}).exit_code, 97) << url;
  }
}

// A listener on every address is reached through each of them, and what reaches it that way comes from this machine.
TEST_F(ProxyTest, ItsOwnPortIsNotReachedThroughItselfHoweverItListens) {
  settings.proxy.listen = {{.address = "0.0.0.0", .port = 0}};
  settings.proxy.allow_targets = {"127.0.0.0/8"};  // localhost may be ::1 too, where nobody listens
  start();
  for (const char* host : {"127.0.0.1", "127.1.2.3", "localhost", "[::ffff:127.0.0.1]"}) {
    const auto got = curl({"http://" + std::string(host) + ":" + std::to_string(port) + "/"});
    EXPECT_TRUE(contains(got, " 403")) << host << ": " << got.output;
  }
}

TEST_F(ProxyTest, ChangedRulesHoldFromTheNextRequestOn) {
  start();
  EXPECT_TRUE(contains(curl({blob(plain, "plain bytes")}), "200 OK"));
  proxy->apply({.allowlist = {.is_enabled = true, .domains = {}, .ips = {}}, .headers = {}});
  EXPECT_TRUE(contains(curl({blob(plain, "plain bytes")}), " 403"));
}

TEST_F(ProxyTest, UsersHaveToLogIn) {
  support::write_file(directory / "users", "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
  settings.proxy.users = directory / "users";
  start();
  const auto nobody = curl({blob(plain, "plain bytes")});
  EXPECT_TRUE(contains(nobody, " 407")) << nobody.output;
  EXPECT_TRUE(contains(nobody, "Proxy-Authenticate: Basic"));
  EXPECT_NE(curl({"--proxy-user", "alice:wrong", blob(secure, "secure bytes")}).exit_code, 0);
  EXPECT_TRUE(contains(curl({"--proxy-user", "alice:123456", blob(plain, "plain bytes")}), "200 OK"));
  ASSERT_EQ(plain.requests().size(), 1U);
  EXPECT_EQ(plain.requests()[0].field("proxy-authorization"), "") << "it stays here";
}

TEST_F(ProxyTest, ARequestForTheProxyItselfIsToldWhatThisIs) {
  start();
  const auto got = curl({"-x", "", "http://127.0.0.1:" + std::to_string(port) + "/"});
  EXPECT_TRUE(contains(got, " 400")) << got.output;
  EXPECT_TRUE(contains(got, "This is a proxy"));
}

TEST_F(ProxyTest, AnUpstreamThatIsNotThereIsA502) {
  start();
  const auto got = curl({"http://127.0.0.1:" + std::to_string(support::free_port()) + "/"});
  EXPECT_TRUE(contains(got, " 502")) << got.output;
  EXPECT_TRUE(contains(got, "error=connection_refused")) << got.output;
}

TEST_F(ProxyTest, WithoutAStoreThereIsNoCacheToClear) {
  start();
  EXPECT_TRUE(contains(curl({blob(plain, "plain bytes")}), "plain bytes"));
  EXPECT_EQ(proxy->cache_stats(), CacheStats());
  const auto cleared = proxy->clear_cache();
  ASSERT_FALSE(cleared);
  EXPECT_EQ(cleared.error().detail, "cache disabled");
}

TEST_F(ProxyTest, APortThatIsTakenIsAnErrorThatNamesIt) {
  start();
  auto again = settings;
  again.proxy.listen = {{.address = "127.0.0.1", .port = port}};
  Proxy second(again, nullptr);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().detail.find(std::to_string(port)), std::string::npos) << started.error().detail;
}

}  // namespace
}  // namespace propeller::forward
