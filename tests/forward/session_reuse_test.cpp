// TLS sessions that are resumed, on both sides of an intercepted connection.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"
#include "forward/tls_origin.hpp"
#include "forward/tls_peer.hpp"

namespace propeller::forward {
namespace {

using http::Peer;

class SessionReuse : public ProxyTest {
 protected:
  struct Visit {
    bool is_resumed = false;
    std::string answer;
    net::SessionPtr session;
  };
  /// One request over an intercepted connection of its own.
  Visit visit(const TlsOrigin& origin, const TlsPeerOptions& options) {
    const auto host = "localhost:" + std::to_string(origin.port());
    auto below = Peer::connect(port);
    below.send("CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    EXPECT_TRUE(below.read_head().starts_with("HTTP/1.1 200 "));
    TlsPeer client(below, directory / "certs/ca.crt", "localhost", "http/1.1", options);
    EXPECT_TRUE(client.is_connected());
    client.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    auto answer = client.read_head();
    return {.is_resumed = client.is_resumed(), .answer = std::move(answer), .session = client.session()};
  }
};

// More connections than cores: every core has to know what another one has given out.
TEST_F(SessionReuse, AClientGoesOnWithItsSessionOnEveryCore) {
  const TlsOrigin origin(tls);
  start();
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    auto last = visit(origin, {.version = version});
    EXPECT_FALSE(last.is_resumed);
    for (int i = 0; i < 6; ++i) {
      last = visit(origin, {.version = version, .session = std::move(last.session)});
      EXPECT_TRUE(last.is_resumed) << version << ", " << i;
      EXPECT_TRUE(last.answer.starts_with("HTTP/1.1 200 ")) << last.answer;
    }
  }
}

TEST_F(SessionReuse, ASessionOfAnotherProxyIsAFullHandshake) {
  const TlsOrigin origin(tls);
  start();
  auto old = visit(origin, {}).session;
  proxy->stop(0ms);
  start();
  const auto got = visit(origin, {.version = 0, .session = std::move(old)});
  EXPECT_FALSE(got.is_resumed);
  EXPECT_TRUE(got.answer.starts_with("HTTP/1.1 200 ")) << got.answer;
}

// The page of OpenSSL's server says how its connection came about, and ends it.
TEST_F(SessionReuse, AnOriginIsAskedToGoOnWithItsSession) {
  start();
  for (const auto* version : {"-tls1_3", "-tls1_2"}) {
    const auto origin_port = std::to_string(support::free_port());
    support::Subprocess origin(
        {.arguments = {"openssl", "s_server", "-accept", "127.0.0.1:" + origin_port, "-cert",
                       tls.server_certificate().string(), "-key", tls.server_key().string(), "-www", version}});
    ASSERT_TRUE(origin.wait_line("ACCEPT")) << origin.output();
    const auto url = "https://localhost:" + origin_port + "/";
    const auto first = curl({url});
    EXPECT_TRUE(contains(first, "New, TLSv1.")) << first.output;
    for (int i = 0; i < 4; ++i) {
      const auto next = curl({url});
      EXPECT_TRUE(contains(next, "Reused, TLSv1.")) << version << next.output;
    }
  }
}

}  // namespace
}  // namespace propeller::forward
