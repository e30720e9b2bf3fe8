// HTTP/2 towards clients: inside intercepted tunnels, and to the proxy itself.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"
#include "forward/tls_origin.hpp"
#include "forward/tls_peer.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using http::PeerListener;
using namespace std::string_literals;

class Http2ProtocolTest : public ProxyTest {
 protected:
  [[nodiscard]] std::filesystem::path own_ca() const { return directory / "certs/ca.crt"; }
  static std::string frame(char type, char flags, std::string_view payload) {
    return "\0"s + static_cast<char>(payload.size() >> 8) + static_cast<char>(payload.size() & 0xff) + type + flags +
           (type == kSettings ? "\0\0\0\0"s : "\0\0\0\1"s) + std::string(payload);
  }
  /// The payload of the next frame of that type; what comes before is passed over.
  static std::string next(TlsPeer& peer, char type) {
    for (;;) {
      const auto head = peer.read(9);
      if (head.size() < 9) return {};
      const auto size =
          static_cast<std::size_t>(static_cast<std::uint8_t>(head[1])) << 8 | static_cast<std::uint8_t>(head[2]);
      auto payload = peer.read(size);
      if (head[3] == type) return payload;
    }
  }
  /// A field whose name is in HPACK's table, in plain letters.
  static std::string field(char name, const std::string& value) {
    return std::string(1, name) + static_cast<char>(value.size()) + value;
  }

  static constexpr char kData = 0, kHeaders = 1, kSettings = 4, kEndHeaders = 4;
  static constexpr char kAuthority = 1, kMethod = 2, kPath = 4, kScheme = 6;
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
};

TEST_F(Http2ProtocolTest, GrpcGoesThroughWithItsTrailersBothWays) {
  TlsOrigin origin(tls);
  start();
  const auto got = curl({"--http2", "-H", "te: trailers", "-H", "content-type: application/grpc", "-d", "a message",
                         "https://localhost:" + std::to_string(origin.port()) + "/stream"});
  EXPECT_EQ(got.exit_code, 0) << got.output;
  EXPECT_TRUE(contains(got, "HTTP/2 200")) << "towards the client";
  EXPECT_TRUE(contains(got, "x-version: HTTP/2")) << "towards the origin";
  EXPECT_TRUE(contains(got, "x-te: trailers")) << got.output;
  EXPECT_TRUE(contains(got, "a message")) << got.output;
  EXPECT_TRUE(contains(got, "grpc-status: 0")) << got.output;
}

TEST_F(Http2ProtocolTest, AClientThatWantsHttp1GetsIt) {
  TlsOrigin origin(tls);
  start();
  const auto got = curl({"--http1.1", "-d", "x", "https://localhost:" + std::to_string(origin.port()) + "/stream"});
  EXPECT_TRUE(contains(got, "HTTP/1.1 200")) << got.output;
  EXPECT_TRUE(contains(got, "x-version: HTTP/2")) << got.output;
}

TEST_F(Http2ProtocolTest, ALargeBodyIsStreamedBothWays) {
  TlsOrigin origin(tls);
  start();
  support::write_file(directory / "body", std::string(20'000'000, 'x'));
  const auto got = curl({"--http2", "-o", (directory / "back").string(), "-T", (directory / "body").string(),
                         "https://localhost:" + std::to_string(origin.port()) + "/stream"});
  EXPECT_EQ(got.exit_code, 0) << got.output;
  EXPECT_GE(std::filesystem::file_size(directory / "back"), 20'000'000U);
}

TEST_F(Http2ProtocolTest, TheProxyItselfTakesRequestsOverIt) {
  start();
  auto below = Peer::connect(port);
  TlsPeer client(below, own_ca(), "127.0.0.1", "h2");
  ASSERT_TRUE(client.is_connected());
  ASSERT_EQ(client.alpn(), "h2");
  client.send(std::string(kPreface) + frame(kSettings, 0, "") +
              frame(kHeaders, kEndHeaders | 1,
                    field(kMethod, "GET") + field(kScheme, "http") +
                        field(kAuthority, "127.0.0.1:" + std::to_string(plain.port())) +
                        field(kPath, "/v2/acme/m/blobs/" + base::sha256("plain bytes").to_string())));
  EXPECT_EQ(next(client, kHeaders).substr(0, 1), "\x88") << ":status 200";
  EXPECT_EQ(plain.requests().size(), 1U);
}

TEST_F(Http2ProtocolTest, ATunnelIsOneStreamOfIt) {
  start();
  PeerListener server;
  auto below = Peer::connect(port);
  TlsPeer client(below, own_ca(), "127.0.0.1", "h2");
  ASSERT_TRUE(client.is_connected());
  client.send(std::string(kPreface) + frame(kSettings, 0, "") +
              frame(kHeaders, kEndHeaders,
                    field(kMethod, "CONNECT") + field(kAuthority, "127.0.0.1:" + std::to_string(server.port()))));
  ASSERT_EQ(next(client, kHeaders).substr(0, 1), "\x88");
  auto upstream = server.accept();
  upstream.send("220 hello\r\n");
  EXPECT_EQ(next(client, kData), "220 hello\r\n");
  client.send(frame(kData, 0, "EHLO\r\n"));
  EXPECT_EQ(upstream.read_until("\r\n"), "EHLO\r\n");
  client.send(frame(kData, 1, ""));
  EXPECT_TRUE(upstream.is_ended());
}

TEST_F(Http2ProtocolTest, TlsToTheProxyCarriesEveryProtocol) {
  start();
  for (const auto& url : {blob(plain, "plain bytes", "localhost"), blob(secure, "secure bytes", "localhost")}) {
    const auto got = curl_through("https", {"--proxy-cacert", own_ca().string(), url});
    EXPECT_EQ(got.exit_code, 0) << got.output;
    EXPECT_TRUE(contains(got, "1.1 propeller-proxy")) << got.output;
  }
  PeerListener server;
  auto below = Peer::connect(port);
  TlsPeer client(below, own_ca(), "127.0.0.1", "http/1.1");
  ASSERT_TRUE(client.is_connected());
  client.send("\x05\x01\x00\x05\x01\x00\x01\x7f\0\0\1"s + static_cast<char>(server.port() >> 8) +
              static_cast<char>(server.port() & 0xff));
  ASSERT_EQ(client.read(12).substr(0, 4), "\x05\x00\x05\x00"s) << "SOCKS inside TLS";
  auto upstream = server.accept();
  upstream.send("hello");
  EXPECT_EQ(client.read(5), "hello");
}

}  // namespace
}  // namespace propeller::forward
