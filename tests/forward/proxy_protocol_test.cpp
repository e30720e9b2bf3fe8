// The PROXY protocol in front of what a client says, from those who are believed.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"
#include "forward/udp_peer.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using namespace std::string_literals;

class ProxyProtocolTest : public ProxyTest {
 protected:
  std::string request() const {
    return "GET " + blob(plain, "plain bytes") + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(plain.port()) +
           "\r\nConnection: close\r\n\r\n";
  }
  static std::string binary_head() { return "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\2\x7f\0\0\1\x10\0\x20\0"s; }
  static constexpr std::string_view kTextHead = "PROXY TCP4 127.0.0.2 127.0.0.1 4096 8192\r\n";
};

TEST_F(ProxyProtocolTest, AHeadOfEitherVersionIsTakenFromThoseWhoAreBelieved) {
  settings.proxy.proxy_protocol = {"127.0.0.0/30"};
  start();
  for (const auto& head : {std::string(kTextHead), binary_head(), std::string()}) {
    auto client = Peer::connect(port);
    client.send_bytewise(head + request());
    EXPECT_TRUE(client.read_head().starts_with("HTTP/1.1 200 ")) << head.size();
  }
  EXPECT_EQ(plain.requests().size(), 3U);
}

TEST_F(ProxyProtocolTest, FromOthersItIsGarbage) {
  settings.proxy.proxy_protocol = {"192.0.2.1"};
  start();
  auto text = Peer::connect(port), binary = Peer::connect(port);
  text.send(std::string(kTextHead) + request());
  binary.send(binary_head() + request());
  EXPECT_FALSE(text.read_all().contains("200 OK"));
  EXPECT_EQ(binary.read_all(), "");
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(ProxyProtocolTest, ABrokenOneEndsTheConnection) {
  settings.proxy.proxy_protocol = {"127.0.0.1"};
  start();
  auto client = Peer::connect(port);
  client.send("PROXY TCP4 127.0.0.2 nonsense\r\n" + request());
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(plain.requests().empty());
}

// Datagrams of an association are taken from its client's address: which is the one that was said.
TEST_F(ProxyProtocolTest, TheClientIsTheOneThatWasSaid) {
  settings.proxy.proxy_protocol = {"127.0.0.1"};
  start();
  auto control = Peer::connect(port);
  control.send(binary_head() + "\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0"s);
  const auto answer = control.read(12);
  ASSERT_EQ(answer.substr(0, 10), "\x05\x00\x05\x00\x00\x01\x7f\0\0\1"s) << "reached at the real address";
  const auto relay =
      static_cast<std::uint16_t>(static_cast<std::uint8_t>(answer[10]) << 8 | static_cast<std::uint8_t>(answer[11]));
  UdpPeer proxy_in_front, said(0x7f000002), server;
  const auto head =
      "\0\0\0\x01\x7f\0\0\1"s + static_cast<char>(server.port() >> 8) + static_cast<char>(server.port() & 0xff);
  proxy_in_front.send(relay, head + "of the proxy in front");
  said.send(relay, head + "of the client");
  EXPECT_EQ(server.receive(), "of the client");
}

}  // namespace
}  // namespace propeller::forward
