// SOCKS as its clients meet it: curl, and bytes written by hand, through the real listener.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using http::PeerListener;
using namespace std::string_literals;

class SocksTest : public ProxyTest {
 protected:
  static std::string two_bytes(std::uint16_t number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  }
  static std::string to_name(const std::string& name, std::uint16_t port, char command = 1) {
    return "\x05"s + command + "\0\x03"s + static_cast<char>(name.size()) + name + two_bytes(port);
  }
  static std::string to_loopback(std::uint16_t port, char command = 1) {
    return "\x05"s + command + "\0\x01\x7f\0\0\1"s + two_bytes(port);
  }
  /// Behind the choice of "no authentication".
  Peer greeted() {
    auto client = Peer::connect(port);
    client.send("\x05\x01\x00"s);
    EXPECT_EQ(client.read(2), "\x05\x00"s);
    return client;
  }
  /// The second byte of the answer to a request; -1 when there is none.
  static int reply(Peer& client, const std::string& request) {
    client.send(request);
    const auto answer = client.read(10);
    return answer.size() == 10 ? answer[1] : -1;
  }
  void set_user() {
    support::write_file(directory / "users", "alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n");  // 123456
    settings.proxy.users = directory / "users";
  }
};

TEST_F(SocksTest, CurlGetsThroughByNameAndByAddressInEveryVersion) {
  start();
  for (const char* scheme : {"socks5h", "socks5", "socks4", "socks4a"}) {
    const auto got = curl_through(scheme, {"-4", blob(plain, "plain bytes", "localhost")});
    EXPECT_EQ(got.exit_code, 0) << scheme << ": " << got.output;
    EXPECT_TRUE(contains(got, "plain bytes")) << scheme;
  }
}

TEST_F(SocksTest, TlsInsideIsInterceptedByTheNameThatTheClientSays) {
  start();
  for (const char* scheme : {"socks5h", "socks5", "socks4a"}) {
    const auto got = curl_through(scheme, {"-4", blob(secure, "secure bytes", "localhost")});
    EXPECT_EQ(got.exit_code, 0) << scheme << ": " << got.output;
    EXPECT_TRUE(contains(got, "secure bytes")) << scheme;
    EXPECT_TRUE(contains(got, "1.1 propeller-proxy")) << scheme << ": not intercepted";
  }
}

TEST_F(SocksTest, ReachesAnAddressOfIpv6) {
  base::FileDescriptor server(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  if (::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) GTEST_SKIP() << "no IPv6";
  ASSERT_EQ(::listen(server.get(), 1), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  start();
  auto client = greeted();
  client.send("\x05\x01\x00\x04"s + std::string(15, '\0') + "\x01" + two_bytes(ntohs(address.sin6_port)));
  const auto answer = client.read(22);
  ASSERT_EQ(answer.substr(0, 4), "\x05\x00\x00\x04"s);
  EXPECT_EQ(answer.substr(4, 16), std::string(15, '\0') + "\x01") << "the address our end has";
  Peer upstream(base::FileDescriptor(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  upstream.send("hello");
  EXPECT_EQ(client.read(5), "hello");
}

TEST_F(SocksTest, ErrorsOfDiallingHaveTheirReplies) {
  settings.rules.allowlist = {.is_enabled = true, .domains = {"localhost", "*.invalid"}, .ips = {"127.0.0.0/8"}};
  start();
  const auto closed = support::free_port();
  {
    auto client = greeted();
    EXPECT_EQ(reply(client, to_loopback(closed)), 5) << "refused";
  }
  {
    auto client = greeted();
    EXPECT_EQ(reply(client, to_name("no-such-host.invalid", closed)), 4) << "a name without an address";
  }
  {
    auto client = greeted();
    EXPECT_EQ(reply(client, to_name("example.org", 443)), 2) << "not on the list";
  }
  {
    auto client = greeted();
    EXPECT_EQ(reply(client, to_loopback(closed, 2)), 7) << "BIND";
  }
  {
    auto client = greeted();
    client.send("\x05\x01\x00\x02\x7f\0\0\1\0\x50"s);
    EXPECT_EQ(client.read(10).substr(0, 2), "\x05\x08"s) << "a kind of address that there is not";
    EXPECT_TRUE(client.is_ended());
  }
}

// Forbidden names were told to the name server first. Neither of these has an address: who had asked would say so.
TEST_F(SocksTest, WhatIsNotOnTheListIsNotAskedForInDns) {
  settings.rules.allowlist = {.is_enabled = true, .domains = {"listed.invalid"}, .ips = {}};
  start();
  auto listed = greeted(), other = greeted();
  EXPECT_EQ(reply(listed, to_name("listed.invalid", 25)), 4);
  EXPECT_EQ(reply(other, to_name("other.invalid", 25)), 2);
  EXPECT_TRUE(contains(curl({"http://listed.invalid/"}), " 502"));
  EXPECT_TRUE(contains(curl({"http://other.invalid/"}), " 403"));
}

TEST_F(SocksTest, ANameThatResolvesToAForbiddenAddressIsNotAllowed) {
  settings.proxy.allow_targets.clear();
  start();
  PeerListener server;
  auto client = greeted();
  EXPECT_EQ(reply(client, to_name("localhost", server.port())), 2);
  EXPECT_TRUE(server.is_silent(50));
}

TEST_F(SocksTest, OnlyUsersMayPassWhenThereAreUsers) {
  set_user();
  start();
  auto without = Peer::connect(port);
  without.send("\x05\x01\x00"s);
  EXPECT_EQ(without.read(2), "\x05\xff"s);
  EXPECT_TRUE(without.is_ended());

  auto wrong = Peer::connect(port);
  wrong.send("\x05\x02\x00\x02"s);
  EXPECT_EQ(wrong.read(2), "\x05\x02"s) << "only with a password";
  wrong.send("\x01\x05"s + "alice" + "\x05" + "wrong");
  EXPECT_EQ(wrong.read(2), "\x01\x01"s);
  EXPECT_TRUE(wrong.is_ended());

  auto four = Peer::connect(port);
  four.send("\x04\x01"s + two_bytes(plain.port()) + "\x7f\0\0\1alice\0"s);
  EXPECT_EQ(four.read(2), "\0\x5b"s) << "it has no passwords";

  const auto url = blob(plain, "plain bytes");
  EXPECT_TRUE(contains(curl_through("socks5h", {"--proxy-user", "alice:123456", url}), "plain bytes"));
  EXPECT_EQ(plain.requests().size(), 1U);
}

TEST_F(SocksTest, AHandshakeThatDoesNotEndIsEnded) {
  settings.proxy.timeouts.read = 300ms;
  start();
  auto silent = Peer::connect(port), half = Peer::connect(port), stuck = greeted();
  half.send("\x05\x02"s);
  EXPECT_TRUE(half.is_ended());
  EXPECT_TRUE(stuck.is_ended());
  EXPECT_TRUE(silent.is_ended());
}

TEST_F(SocksTest, WhatTheClientSendsWithItsRequestIsNotLost) {
  start();
  PeerListener server;
  auto client = Peer::connect(port);
  client.send("\x05\x01\x00"s + to_loopback(server.port()) + "\x01 early");
  EXPECT_EQ(client.read(12).substr(0, 4), "\x05\x00\x05\x00"s);
  EXPECT_EQ(server.accept().read(7), "\x01 early");
}

}  // namespace
}  // namespace propeller::forward
