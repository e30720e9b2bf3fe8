// A proxy behind another one, which is a second propeller-proxy: what reaches the origin carries both names in Via.
#include "forward/proxy_fixture.hpp"

namespace propeller::forward {
namespace {

using config::UpstreamScheme;

class UpstreamProxyTest : public ProxyTest {
 protected:
  ~UpstreamProxyTest() override {
    if (proxy) proxy->stop(0ms);
    if (outer) outer->stop(0ms);
  }

  /// The outer proxy passes TLS through: the inner one has to meet the origin's own certificate.
  void start_outer() {
    auto theirs = settings;
    theirs.tls.cert_dir = directory / "outer";
    theirs.tls.passthrough = {"*"};
    theirs.proxy.users = outer_users;
    theirs.rules.allowlist = outer_list;
    theirs.proxy.upstream.reset();
    outer.emplace(theirs, nullptr);
    const auto started = outer->start();
    ASSERT_TRUE(started) << started.error().detail;
  }
  void go_through_outer(UpstreamScheme scheme) {
    start_outer();
    settings.proxy.upstream =
        config::UpstreamProxy{.scheme = scheme, .host = "127.0.0.1", .port = outer->addresses().at(0).port()};
  }
  std::string plain_blob() const { return blob(plain, "plain bytes", "localhost"); }
  std::string secure_blob() const { return blob(secure, "secure bytes", "localhost"); }

  std::filesystem::path outer_users;
  config::AllowList outer_list;
  std::optional<Proxy> outer;
};

TEST_F(UpstreamProxyTest, PlainRequestsAreAskedOfAnHttpProxyInAbsoluteForm) {
  for (const auto scheme : {UpstreamScheme::http, UpstreamScheme::https}) {
    go_through_outer(scheme);
    settings.tls.upstream_ca = {tls.ca(), directory / "outer/ca.crt"};
    start();
    const auto before = plain.requests().size();
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(contains(curl({plain_blob()}), "plain bytes"));
    ASSERT_EQ(plain.requests().size(), before + 2);
    const auto via = plain.requests().back().field("via");
    EXPECT_EQ(std::ranges::count(via, ','), 1) << via;
    EXPECT_NE(via.substr(0, via.find(',')), via.substr(via.find(',') + 2)) << "each has its own name";
    outer->stop(0ms);
    EXPECT_TRUE(contains(curl({plain_blob()}), " 502")) << "there is no other way";
    proxy->stop(0ms);
  }
}

TEST_F(UpstreamProxyTest, ALoopEnds) {
  settings.proxy.upstream =
      config::UpstreamProxy{.scheme = UpstreamScheme::http, .host = "127.0.0.1", .port = support::free_port()};
  settings.proxy.listen[0].port = settings.proxy.upstream->port;
  start();
  const auto got = curl({plain_blob()});
  EXPECT_TRUE(contains(got, " 400")) << got.output;
  EXPECT_TRUE(contains(got, "a loop")) << got.output;
}

TEST_F(UpstreamProxyTest, ThroughASocksProxyEverythingIsTunnelled) {
  for (const auto scheme : {UpstreamScheme::socks5, UpstreamScheme::socks5h}) {
    go_through_outer(scheme);
    start();
    EXPECT_TRUE(contains(curl({plain_blob()}), "plain bytes"));
    EXPECT_TRUE(contains(curl({secure_blob()}), "secure bytes"));
    outer->stop(0ms);
    EXPECT_TRUE(contains(curl({blob(plain, "plain bytes")}), " 502")) << "there is no other way";
    proxy->stop(0ms);
  }
}

TEST_F(UpstreamProxyTest, HttpsIsInterceptedHereAndTunnelledThere) {
  for (const auto scheme : {UpstreamScheme::http, UpstreamScheme::https}) {
    go_through_outer(scheme);
    settings.tls.upstream_ca = {tls.ca(), directory / "outer/ca.crt"};
    start();
    const auto got = curl({secure_blob()});
    EXPECT_TRUE(contains(got, "secure bytes")) << got.output;
    EXPECT_TRUE(contains(got, "1.1 propeller-proxy")) << "intercepted";
    outer->stop(0ms);
    EXPECT_TRUE(contains(curl({secure_blob()}), " 502")) << "there is no other way";
    proxy->stop(0ms);
  }
}

TEST_F(UpstreamProxyTest, AnHttpsProxyThatNobodyVouchesForIsNotUsed) {
  go_through_outer(UpstreamScheme::https);
  start();
  for (const auto& url : {plain_blob(), secure_blob()}) {
    const auto got = curl({url});
    EXPECT_TRUE(contains(got, " 502")) << got.output;
    EXPECT_TRUE(contains(got, "unknown issuer")) << got.output;
    EXPECT_TRUE(contains(got, "proxy.upstream")) << got.output;
  }
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(UpstreamProxyTest, WhatPassesThroughGoesThroughBoth) {
  settings.tls.passthrough = {"localhost"};
  go_through_outer(UpstreamScheme::http);
  start();
  const auto got = curl({"--cacert", tls.ca().string(), secure_blob()});
  EXPECT_TRUE(contains(got, "secure bytes")) << got.output;
  outer->stop(0ms);
  EXPECT_NE(curl({"--cacert", tls.ca().string(), secure_blob()}).exit_code, 0) << "there is no other way";
}

TEST_F(UpstreamProxyTest, TheLoginIsSentAndAWrongOneIsSaidSo) {
  outer_users = directory / "users";
  support::write_file(outer_users, "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
  for (const auto& [scheme, password, is_right] :
       {std::tuple{UpstreamScheme::http, "123456", true}, std::tuple{UpstreamScheme::http, "wrong", false},
        std::tuple{UpstreamScheme::socks5h, "123456", true}, std::tuple{UpstreamScheme::socks5h, "wrong", false}}) {
    go_through_outer(scheme);
    settings.proxy.upstream->username = "alice";
    settings.proxy.upstream->password = Secret(password);
    start();
    EXPECT_EQ(contains(curl({plain_blob()}), "plain bytes"), is_right);
    const auto tunnelled = curl({secure_blob()});
    EXPECT_EQ(contains(tunnelled, "secure bytes"), is_right);
    if (!is_right) EXPECT_TRUE(contains(tunnelled, "proxy.upstream")) << tunnelled.output;
    proxy->stop(0ms);
    outer->stop(0ms);
  }
  ASSERT_EQ(plain.requests().size(), 2U);
  EXPECT_EQ(plain.requests()[0].field("proxy-authorization"), "");
}

TEST_F(UpstreamProxyTest, WhatItForbidsIsAnErrorThatNamesIt) {
  outer_list = {.is_enabled = true, .domains = {"example.org"}, .ips = {}};
  go_through_outer(UpstreamScheme::http);
  start();
  const auto got = curl({secure_blob()});
  EXPECT_TRUE(contains(got, " 502")) << got.output;
  EXPECT_TRUE(contains(got, "upstream proxy answers 403")) << got.output;
}

TEST_F(UpstreamProxyTest, AnUpstreamProxyThatIsDownIsNamed) {
  settings.proxy.upstream =
      config::UpstreamProxy{.scheme = UpstreamScheme::http, .host = "127.0.0.1", .port = support::free_port()};
  start();
  for (const auto& url : {plain_blob(), secure_blob()}) {
    const auto got = curl({url});
    EXPECT_TRUE(contains(got, " 502")) << got.output;
    EXPECT_TRUE(contains(got, "proxy.upstream")) << got.output;
  }
}

TEST_F(UpstreamProxyTest, NoProxyGoesStraight) {
  go_through_outer(UpstreamScheme::http);
  settings.proxy.no_proxy = {"localhost"};
  start();
  outer->stop(0ms);
  EXPECT_TRUE(contains(curl({plain_blob()}), "plain bytes"));
  EXPECT_TRUE(contains(curl({secure_blob()}), "secure bytes"));
  EXPECT_TRUE(contains(curl({blob(plain, "plain bytes", "127.0.0.1")}), " 502"));
}

TEST_F(UpstreamProxyTest, OurOwnRulesHoldAllTheSame) {
  settings.rules.allowlist = {.is_enabled = true, .domains = {"example.org"}, .ips = {}};
  go_through_outer(UpstreamScheme::http);
  start();
  for (const auto& url : {plain_blob(), secure_blob()}) EXPECT_TRUE(contains(curl({url}), " 403"));
  EXPECT_TRUE(plain.requests().empty());
}

// Noise only makes a transfer slower: the least time is a bound that holds on every machine.
TEST_F(ProxyTest, BandwidthIsLimitedBothWays) {
  const std::string body(300'000, 'b');
  plain.push_blob("acme/m", body);
  for (const bool is_per_client : {false, true}) {
    settings.proxy.bandwidth =
        is_per_client ? config::Bandwidth{.per_client = 200'000} : config::Bandwidth{.total = 200'000};
    start();
    const auto began = std::chrono::steady_clock::now();
    const auto got = curl({"-o", "/dev/null", "-w", "%{size_download}", blob(plain, body)});
    EXPECT_TRUE(contains(got, "300000")) << got.output;
    // 50 kB at once, the rest at 200 kB a second.
    EXPECT_GE(std::chrono::steady_clock::now() - began, 1200ms);
    proxy->stop(0ms);
  }
  support::write_file(directory / "upload", body);
  start();
  const auto began = std::chrono::steady_clock::now();
  const auto sent =
      curl({"-T", (directory / "upload").string(), "http://127.0.0.1:" + std::to_string(plain.port()) + "/x"});
  EXPECT_EQ(sent.exit_code, 0) << sent.output;
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1200ms);
}

TEST_F(ProxyTest, BandwidthHoldsInTunnelsToo) {
  const std::string body(300'000, 'b');
  secure.push_blob("acme/m", body);
  settings.proxy.bandwidth = {.total = 200'000};
  settings.tls.passthrough = {"localhost"};
  start();
  const auto began = std::chrono::steady_clock::now();
  const auto got = curl(
      {"--cacert", tls.ca().string(), "-o", "/dev/null", "-w", "%{size_download}", blob(secure, body, "localhost")});
  EXPECT_TRUE(contains(got, "300000")) << got.output;
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1200ms);
}

}  // namespace
}  // namespace propeller::forward
