// WebSockets, by each way in.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "forward/proxy_fixture.hpp"
#include "forward/tls_origin.hpp"
#include "forward/tls_peer.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using http::PeerListener;
using namespace std::string_literals;

class WebSocketTest : public ProxyTest {
 protected:
  static std::string handshake(const std::string& target, const std::string& host) {
    return "GET " + target + " HTTP/1.1\r\nHost: " + host +
           "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  }
  static std::string accepted() {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  }
  /// A frame of text, masked as a client's are.
  static std::string masked() { return "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s; }

  /// `client` has sent its handshake; the origin takes it, and frames go both ways. Returns what the origin was asked.
  static std::string converse(Peer& client, Peer upstream) {
    auto head = upstream.read_head();
    upstream.send(accepted() + "\x81\x02hi"s);
    const auto answer = client.read_head();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 ")) << answer;
    EXPECT_TRUE(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) << answer;
    EXPECT_EQ(client.read(4), "\x81\x02hi"s) << "what came right behind the head";
    client.send(masked());
    EXPECT_EQ(upstream.read(masked().size()), masked());
    upstream.send("\x88\x00"s);
    EXPECT_EQ(client.read(2), "\x88\x00"s);
    return head;
  }
  /// By plain proxying.
  std::string converse_plainly() {
    PeerListener server;
    const auto host = "127.0.0.1:" + std::to_string(server.port());
    auto client = Peer::connect(port);
    client.send(handshake("http://" + host + "/socket", host));
    return converse(client, server.accept());
  }
  /// And no proxy any more: its recorder has written what it had.
  void converse_and_end() {
    converse_plainly();
    EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == 0; }));
    proxy.reset();
  }
  /// What the one file there says; there may be folders beside it.
  static std::string only_file(const std::filesystem::path& folder) {
    std::string text;
    for (const auto& each : std::filesystem::directory_iterator(folder)) {
      if (each.is_regular_file()) text += support::read_file(each.path());
    }
    return text;
  }
  static bool is_handshake(const std::string& head) {
    return head.starts_with("GET /socket HTTP/1.1\r\n") && head.contains("pgrade: websocket\r\n") &&
           head.contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  }
};

TEST_F(WebSocketTest, GoesThroughPlainProxying) {
  start();
  EXPECT_TRUE(is_handshake(converse_plainly()));
}

TEST_F(WebSocketTest, GoesThroughATunnelInTheClear) {
  start();
  PeerListener server;
  const auto host = "127.0.0.1:" + std::to_string(server.port());
  auto client = Peer::connect(port);
  client.send("CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  client.read_head();
  auto dialled = server.accept();
  client.send(handshake("/socket", host));
  EXPECT_TRUE(is_handshake(converse(client, server.accept())));
}

TEST_F(WebSocketTest, GoesThroughInterception) {
  TlsOrigin origin(tls);
  start();
  const auto host = "localhost:" + std::to_string(origin.port());
  auto below = Peer::connect(port);
  below.send("CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  below.read_head();
  TlsPeer client(below, directory / "certs/ca.crt", "localhost", "http/1.1");
  ASSERT_TRUE(client.is_connected()) << "not intercepted";
  client.send(handshake("/socket", host));
  const auto answer = client.read_head();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 ")) << answer;
  EXPECT_TRUE(answer.contains("for dGhlIHNhbXBsZSBub25jZQ==")) << answer;
  client.send(masked());
  EXPECT_EQ(client.read(masked().size()), masked());
}

// The format is that of recordings which people have tools for: a head, pieces, and at the end what passed in all.
TEST_F(WebSocketTest, ItsBytesAreRecordedWhenThatIsAsked) {
  settings.recording = {.is_enabled = true, .dir = directory / "recordings", .are_streams_kept = true};
  start();
  converse_and_end();
  const auto line = nlohmann::json::parse(only_file(directory / "recordings"));
  EXPECT_EQ(line["upgrade_type"], "websocket");
  const auto name = line["stream_record"]["file"].get<std::string>();
  const auto stream = support::read_file(directory / "recordings" / name);
  EXPECT_TRUE(stream.starts_with("DBS1\x01"));
  EXPECT_TRUE(stream.contains("\x02\0\0\0\x04\x81\x02hi"s)) << "to the client";
  EXPECT_TRUE(stream.contains("\x01\0\0\0\x0b"s + masked())) << "to the server";
  const auto totals = std::string(7, '\0') + "\x0b" + std::string(7, '\0') + "\x06" + std::string(16, '\0');
  EXPECT_TRUE(stream.ends_with(totals)) << "eleven bytes one way, six the other, none lost";
}

TEST_F(WebSocketTest, OtherwiseOnlyItsHandshakeIs) {
  settings.recording = {.is_enabled = true, .dir = directory / "recordings"};
  start();
  converse_and_end();
  EXPECT_FALSE(nlohmann::json::parse(only_file(directory / "recordings")).contains("stream_record"));
  EXPECT_TRUE(std::filesystem::is_empty(directory / "recordings/streams"));
}

TEST_F(WebSocketTest, OneThatCarriesNothingPassesAway) {
  settings.proxy.timeouts.tunnel_idle = 300ms;
  start();
  PeerListener server;
  const auto host = "127.0.0.1:" + std::to_string(server.port());
  auto client = Peer::connect(port);
  client.send(handshake("http://" + host + "/socket", host));
  auto upstream = server.accept();
  upstream.read_head();
  upstream.send(accepted());
  client.read_head();
  EXPECT_TRUE(client.is_ended());
  EXPECT_TRUE(upstream.is_ended());
}

}  // namespace
}  // namespace propeller::forward
