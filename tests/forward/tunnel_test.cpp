// What happens inside tunnels, however they were opened: who reads them, and who leaves them alone.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using http::PeerListener;
using namespace std::string_literals;

class TunnelTest : public ProxyTest {
 protected:
  Peer connect_to(const std::string& authority) {
    auto client = Peer::connect(port);
    client.send("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n");
    const auto head = client.read_head();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 ")) << head;
    return client;
  }
  Peer socks_to(std::uint16_t target) {
    auto client = Peer::connect(port);
    client.send("\x05\x01\x00\x05\x01\x00\x01\x7f\0\0\1"s + static_cast<char>(target >> 8) +
                static_cast<char>(target & 0xff));
    EXPECT_EQ(client.read(12).substr(0, 4), "\x05\x00\x05\x00"s);
    return client;
  }
  std::string loopback(std::uint16_t target) const { return "127.0.0.1:" + std::to_string(target); }
};

TEST_F(TunnelTest, AServerThatSpeaksFirstIsHeardAtOnce) {
  start();
  PeerListener server;
  for (const bool is_socks : {false, true}) {
    auto client = is_socks ? socks_to(server.port()) : connect_to(loopback(server.port()));
    auto upstream = server.accept();
    upstream.send("220 mail.example.org ESMTP\r\n");
    EXPECT_EQ(client.read_until("\r\n"), "220 mail.example.org ESMTP\r\n");
    client.send("EHLO me\r\n");
    EXPECT_EQ(upstream.read_until("\r\n"), "EHLO me\r\n");
    client.end_sending();
    EXPECT_TRUE(upstream.is_ended()) << "the half close goes through";
    upstream.send("221 bye\r\n");
    upstream.close();
    EXPECT_EQ(client.read_all(), "221 bye\r\n");
  }
}

TEST_F(TunnelTest, WhatIsNeitherTlsNorARequestIsCarriedUntouched) {
  start();
  PeerListener server;
  for (const auto& first : {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s, "\0\1\2binary"s, "*1\r\n$4\r\nPING\r\n"s,
                            "JDWP-Handshake"s, "NICK me\r\n"s, "GET http://else.where/ HTTP/1.1\r\n\r\n"s,
                            "CONNECT else.where:443 HTTP/1.1\r\n\r\n"s, "\x16\x03not a hello"s}) {
    auto client = connect_to(loopback(server.port()));
    client.send(first);
    auto upstream = server.accept();
    EXPECT_EQ(upstream.read(first.size()), first);
    upstream.send("answer");
    EXPECT_EQ(client.read(6), "answer");
  }
}

TEST_F(TunnelTest, APlainRequestInsideIsAProxiedRequest) {
  settings.rules.headers = {{.pattern = "localhost",
                             .conditions = {},
                             .set = {{.name = "X-Rule", .value = Secret("applied")}},
                             .append = {}}};
  start();
  EXPECT_TRUE(contains(curl({"--proxytunnel", blob(plain, "plain bytes", "localhost")}), "1.1 propeller-proxy"));
  EXPECT_TRUE(contains(curl_through("socks5h", {blob(plain, "plain bytes", "localhost")}), "1.1 propeller-proxy"));
  ASSERT_EQ(plain.requests().size(), 2U);
  for (const auto& request : plain.requests()) {
    EXPECT_EQ(request.field("x-rule"), "applied");
    EXPECT_TRUE(request.field("via").starts_with("1.1 propeller-proxy"));
  }
}

TEST_F(TunnelTest, ARequestThatComesBytewiseIsReadAsOne) {
  start();
  PeerListener server;
  auto client = connect_to("localhost:" + std::to_string(server.port()));
  auto dialled = server.accept();
  client.send_bytewise("GET /slow HTTP/1.1\r\nHost: localhost:" + std::to_string(server.port()) + "\r\n\r\n");
  auto upstream = server.accept();
  EXPECT_TRUE(upstream.read_head().contains("propeller-proxy"));
}

// A client that resolved the name itself asks an address for a name: the address is what was judged, and is dialled;
// the name is for the origin, and earns nobody the rules of that name.
TEST_F(TunnelTest, AHostBehindAnAddressIsToldToTheOriginAndBelievedByNobody) {
  settings.rules.headers = {{.pattern = "api.secret.test",
                             .conditions = {},
                             .set = {{.name = "Authorization", .value = Secret("Bearer TOP")}},
                             .append = {}}};
  start();
  PeerListener server;
  const auto host = "api.secret.test:" + std::to_string(server.port());
  auto client = socks_to(server.port());
  auto dialled = server.accept();
  client.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  auto upstream = server.accept();
  const auto head = upstream.read_head();
  EXPECT_TRUE(head.contains("Host: " + host + "\r\n")) << head;
  EXPECT_FALSE(head.contains("TOP")) << head;
}

TEST_F(TunnelTest, AHostOtherThanTheTunnelsIsMisdirected) {
  start();
  PeerListener server;
  auto client = connect_to("localhost:" + std::to_string(server.port()));
  auto dialled = server.accept();
  client.send("GET / HTTP/1.1\r\nHost: other.test:" + std::to_string(server.port()) + "\r\n\r\n");
  EXPECT_TRUE(client.read_head().starts_with("HTTP/1.1 421 "));
  EXPECT_TRUE(server.is_silent(50));
}

TEST_F(TunnelTest, ATunnelToNobodyIsA502) {
  start();
  const auto nobody = loopback(support::free_port());
  auto client = Peer::connect(port);
  client.send("CONNECT " + nobody + " HTTP/1.1\r\nHost: " + nobody + "\r\n\r\n");
  const auto head = client.read_head();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 502 ")) << head;
  EXPECT_TRUE(head.contains("error=connection_refused")) << head;
}

// What was read here before is answered here, perhaps from the store: that its server has gone is told inside. Which
// core a client comes to is chance, so there are many.
TEST_F(TunnelTest, ATargetThatWasReadBeforeIsNotDialledBeforehandOnAnyCore) {
  start();
  auto server = std::make_optional<PeerListener>();
  const auto target = loopback(server->port());
  const auto request = "GET / HTTP/1.1\r\nHost: " + target + "\r\n\r\n";
  {
    auto client = connect_to(target);
    auto dialled = server->accept();
    client.send(request);
    auto upstream = server->accept();
    upstream.read_head();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(client.read_head().starts_with("HTTP/1.1 200 "));
  }
  server.reset();
  for (int i = 0; i < 16; ++i) {
    auto client = connect_to(target);
    client.send(request);
    EXPECT_TRUE(client.read_head().starts_with("HTTP/1.1 502 "));
  }
}

TEST_F(TunnelTest, ATunnelWithoutABytePassesAway) {
  settings.proxy.timeouts.tunnel_idle = 300ms;
  start();
  PeerListener server;
  auto client = connect_to(loopback(server.port()));
  auto upstream = server.accept();
  EXPECT_TRUE(client.is_ended());
  EXPECT_TRUE(upstream.is_ended());
}

// Byte by byte, each in time: the whole of it is not.
TEST_F(TunnelTest, AClientHelloThatTricklesIsNotWaitedForForEver) {
  settings.proxy.timeouts.read = 500ms;
  start();
  PeerListener server;
  auto client = connect_to(loopback(server.port()));
  client.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"s);
  EXPECT_TRUE(support::wait_until([&] {
    client.send("\x03");
    return !client.is_silent(50);
  }));
  EXPECT_TRUE(client.is_ended());
}

TEST_F(TunnelTest, StoppingEndsTunnelsInEveryState) {
  start();
  PeerListener server;
  auto silent = connect_to(loopback(server.port()));
  auto looked_at = connect_to(loopback(server.port()));
  looked_at.send("\x16\x03\x01\x02\x00\x01"s);
  auto carried = connect_to(loopback(server.port()));
  auto first = server.accept(), second = server.accept(), third = server.accept();
  carried.send("\1");
  EXPECT_EQ(third.read(1), "\1");
  proxy->stop(0ms);
  for (auto* client : {&silent, &looked_at, &carried}) EXPECT_TRUE(client->is_ended());
}

}  // namespace
}  // namespace propeller::forward
