// UDP through an association of SOCKS5, with real sockets on loopback.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <fstream>
#include <functional>
#include <list>
#include <thread>

#include "forward/proxy_fixture.hpp"
#include "forward/socks_session.hpp"
#include "forward/udp_peer.hpp"
#include "forward/udp_relay.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using namespace std::string_literals;

constexpr int kShortly = 100;

class SocksUdpTest : public ProxyTest {
 protected:
  /// The servers are on 127.0.0.1; what "localhost" means besides, and before, differs between machines.
  SocksUdpTest() { settings.proxy.allow_targets = {"127.0.0.0/8"}; }

  static std::string two_bytes(std::uint16_t number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  }
  /// With its type, as SOCKS writes it.
  static std::string address_bytes(const boost::asio::ip::address& of) {
    const auto join = [](char type, const auto& bytes) { return type + std::string(bytes.begin(), bytes.end()); };
    return of.is_v4() ? join('\x01', of.to_v4().to_bytes()) : join('\x04', of.to_v6().to_bytes());
  }
  static std::string head_to(std::uint16_t port) { return "\0\0\0\x01\x7f\0\0\1"s + two_bytes(port); }
  static std::string head_to(const std::string& name, std::uint16_t port) {
    return "\0\0\0\x03"s + static_cast<char>(name.size()) + name + two_bytes(port);
  }
  static std::string head_to(const boost::asio::ip::address& to, std::uint16_t port) {
    return "\0\0\0"s + address_bytes(to) + two_bytes(port);
  }
  /// Asks for an association; `relay` is where it takes datagrams.
  Peer associate(const std::string& before = {}) {
    auto control = Peer::connect(port);
    expect_association(control, before, boost::asio::ip::address_v4::loopback());
    return control;
  }
  Peer associate_on_ipv6() {
    auto control = Peer::connect_v6(port);
    expect_association(control, {}, kLoopbackV6);
    return control;
  }
  void expect_association(Peer& control, const std::string& before, const boost::asio::ip::address& at) {
    control.send(before + "\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0"s);
    const auto expected = "\x05\x00\x05\x00\x00"s + address_bytes(at);
    const auto answer = control.read(expected.size() + 2);
    EXPECT_EQ(answer.substr(0, expected.size()), expected);
    if (answer.size() != expected.size() + 2) return;
    const auto* const end = reinterpret_cast<const std::uint8_t*>(answer.data()) + expected.size();
    relay = static_cast<std::uint16_t>(end[0] << 8 | end[1]);
  }
  /// In a network that has nothing but a loopback interface with these addresses besides. False: not permitted.
  static bool on_a_network_with(const std::vector<std::string>& addresses, const std::function<void()>& body) {
    bool is_made = false;
    std::thread([&] {
      is_made = enter_network_namespace() && run({"ip", "link", "set", "lo", "up"}) &&
                std::ranges::all_of(addresses, [](const auto& each) {
                  std::vector<std::string> add{"ip", "address", "add", each, "dev", "lo", "scope", "global"};
                  // Else an address of IPv6 cannot be used before it is known that nobody else has it.
                  if (each.contains(':')) add.emplace_back("nodad");
                  return run(add);
                });
      if (is_made) body();
    }).join();
    return is_made;
  }
  static bool enter_network_namespace() {
    const uid_t user = ::geteuid();
    if (::unshare(CLONE_NEWNET) == 0) return true;
    return ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           (std::ofstream("/proc/self/uid_map") << "0 " << user << " 1" << std::flush);
  }
  static bool run(const std::vector<std::string>& arguments) {
    support::Subprocess process({.arguments = arguments});
    const bool is_done = process.wait_exit() == 0;
    EXPECT_TRUE(is_done) << process.output();
    return is_done;
  }

  static inline const boost::asio::ip::address kLoopbackV6 = boost::asio::ip::address_v6::loopback();

  std::uint16_t relay = 0;
  UdpPeer client, server;
};

TEST_F(SocksUdpTest, DatagramsGoBothWaysToAddressesAndNames) {
  start();
  const auto control = associate();
  for (const auto& head : {head_to(server.port()), head_to("localhost", server.port())}) {
    client.send(relay, head + "question");
    EXPECT_EQ(server.receive(), "question");
    server.send(server.from(), "answer");
    EXPECT_EQ(client.receive(), head_to(server.port()) + "answer");
  }
}

TEST_F(SocksUdpTest, DatagramsGoBothWaysOverIpv6) {
  settings.proxy.allow_targets = {"::1/128"};
  start();
  const auto control = associate();
  UdpPeer server6(kLoopbackV6);
  client.send(relay, head_to(kLoopbackV6, server6.port()) + "question");
  EXPECT_EQ(server6.receive(), "question");
  server6.send(server6.from(), "answer");
  EXPECT_EQ(client.receive(), head_to(kLoopbackV6, server6.port()) + "answer");
}

TEST_F(SocksUdpTest, AClientOnIpv6ReachesBothFamilies) {
  settings.proxy.listen = {{.address = "::1", .port = 0}};
  settings.proxy.allow_targets = {"127.0.0.0/8", "::1/128"};
  start();
  const auto control = associate_on_ipv6();
  UdpPeer client6(kLoopbackV6), server6(kLoopbackV6);
  client6.send(relay, head_to(kLoopbackV6, server6.port()) + "question");
  EXPECT_EQ(server6.receive(), "question");
  server6.send(server6.from(), "answer");
  EXPECT_EQ(client6.receive(), head_to(kLoopbackV6, server6.port()) + "answer");
  client6.send(relay, head_to(server.port()) + "question");
  EXPECT_EQ(server.receive(), "question");
  server.send(server.from(), "answer");
  EXPECT_EQ(client6.receive(), head_to(server.port()) + "answer");
}

TEST_F(SocksUdpTest, OnlyTheClientMaySendAndOnlyThoseItAskedMayAnswer) {
  start();
  const auto control = associate();
  UdpPeer stranger(0x7f000002), other_port;
  stranger.send(relay, head_to(server.port()) + "from another address");
  client.send(relay, head_to(server.port()) + "mine");
  EXPECT_EQ(server.receive(), "mine");
  const auto outside = server.from();
  other_port.send(relay, head_to(server.port()) + "from another port");
  stranger.send(outside, "nobody asked me");
  server.send(outside, "answer");
  EXPECT_EQ(client.receive(), head_to(server.port()) + "answer");
  EXPECT_EQ(server.receive(kShortly), "");
  EXPECT_EQ(client.receive(kShortly), "");
}

TEST_F(SocksUdpTest, FragmentsAndNonsenseAreDropped) {
  start();
  const auto control = associate();
  auto fragment = head_to(server.port());
  fragment[2] = 1;
  client.send(relay, fragment + "a part");
  client.send(relay, "nonsense");
  client.send(relay, head_to(server.port()) + "whole");
  EXPECT_EQ(server.receive(), "whole");
}

TEST_F(SocksUdpTest, EveryDestinationHasToBeAllowed) {
  settings.rules.allowlist = {.is_enabled = true, .domains = {"localhost"}, .ips = {}};
  start();
  const auto control = associate();
  client.send(relay, head_to(server.port()) + "to an address");
  client.send(relay, head_to("ip6-localhost.test", server.port()) + "to a name");
  client.send(relay, head_to("localhost", server.port()) + "to a name on the list");
  EXPECT_EQ(server.receive(), "to a name on the list");
  proxy->apply({.allowlist = {.is_enabled = true, .domains = {}, .ips = {}}, .headers = {}});
  client.send(relay, head_to("localhost", server.port()) + "late");
  EXPECT_EQ(server.receive(kShortly), "") << "an association knows the rules of its beginning only";
}

TEST_F(SocksUdpTest, AForbiddenAddressBehindANameIsNotReached) {
  settings.proxy.allow_targets.clear();
  start();
  const auto control = associate();
  client.send(relay, head_to("localhost", server.port()) + "a name of ours");
  client.send(relay, head_to(server.port()) + "an address of ours");
  EXPECT_EQ(server.receive(3 * kShortly), "");
}

// Somebody is there, on addresses that are this machine's own for once, and hears it as soon as that is allowed.
TEST_F(SocksUdpTest, MetadataServicesAndLinkLocalAddressesAreNotReached) {
  const std::vector<std::string> forbidden{"169.254.169.254", "169.254.1.2", "100.100.100.200", "fd00:ec2::254",
                                           "fe80::7"};
  const bool is_permitted = on_a_network_with(forbidden, [&] {
    std::list<UdpPeer> servers;
    for (const auto& each : forbidden)
      servers.emplace_back(boost::asio::ip::make_address(each.starts_with("fe80") ? each + "%lo" : each));
    UdpPeer user, marker;
    for (const bool is_allowed : {false, true}) {
      if (is_allowed) std::ranges::copy(forbidden, std::back_inserter(settings.proxy.allow_targets));
      start();
      const auto control = associate();
      auto at = servers.begin();
      for (const auto& each : forbidden)
        user.send(relay, head_to(boost::asio::ip::make_address(each), (at++)->port()) + "secrets?");
      user.send(relay, head_to(boost::asio::ip::make_address("::ffff:169.254.169.254"), servers.front().port()) + "?");
      user.send(relay, head_to(marker.port()) + "the last one");
      EXPECT_EQ(marker.receive(), "the last one");
      at = servers.begin();
      for (const auto& each : forbidden) EXPECT_EQ((at++)->receive(0), is_allowed ? "secrets?" : "") << each;
      EXPECT_EQ(servers.front().receive(0), is_allowed ? "?" : "") << "as an address of IPv6";
    }
  });
  if (!is_permitted) GTEST_SKIP() << "this process may not make a network of its own";
}

TEST_F(SocksUdpTest, AnAssociationEndsWithItsConnection) {
  start();
  auto control = associate();
  client.send(relay, head_to(server.port()) + "first");
  EXPECT_EQ(server.receive(), "first");
  control.close();
  EXPECT_TRUE(support::wait_until([&] {
    client.send(relay, head_to(server.port()) + "late");
    return server.receive(kShortly).empty();
  }));
}

TEST_F(SocksUdpTest, AnAssociationThatCarriesNothingPassesAway) {
  settings.proxy.timeouts.tunnel_idle = 300ms;
  start();
  auto control = associate();
  EXPECT_TRUE(control.is_ended());
}

// An address that was sent to long ago makes room for others, and is heard again when it is sent to again.
TEST_F(SocksUdpTest, OnlySoManyAddressesAreListenedTo) {
  start();
  const auto control = associate();
  UdpPeer marker(0x7f000002);
  const auto to_marker = "\0\0\0\x01\x7f\0\0\2"s + two_bytes(marker.port());
  client.send(relay, head_to(server.port()) + "first");
  EXPECT_EQ(server.receive(), "first");
  for (std::size_t i = 0; i < UdpRelay::kTargetsMax; ++i) {
    client.send(relay, "\0\0\0\x01\x7f\1"s + two_bytes(static_cast<std::uint16_t>(i)) + "\0\x09"s);
    client.send(relay, to_marker + "so far");
    ASSERT_EQ(marker.receive(), "so far");
  }
  server.send(server.from(), "forgotten");
  EXPECT_EQ(client.receive(kShortly), "");
  client.send(relay, head_to(server.port()) + "again");
  EXPECT_EQ(server.receive(), "again");
  server.send(server.from(), "heard");
  EXPECT_EQ(client.receive(), head_to(server.port()) + "heard");
}

TEST_F(SocksUdpTest, OnlySoManyAssociationsAreOpenAtATime) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  settings.threads = 1;
  start();
  std::vector<Peer> controls;
  for (std::size_t i = 0; i < SocksSession::kAssociationsMax; ++i) controls.push_back(associate());
  auto one_more = Peer::connect(port);
  one_more.send("\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0"s);
  EXPECT_EQ(one_more.read(12).substr(0, 4), "\x05\x00\x05\x01"s);
  controls.pop_back();
  EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == controls.size(); }));
  associate();
}

// More names than are looked up at a time: what is beyond is dropped, and the association goes on.
TEST_F(SocksUdpTest, AStormOfNamesIsBoundedAndSurvived) {
  start();
  const auto control = associate();
  for (int i = 0; i < 200; ++i)
    client.send(relay, head_to("host-" + std::to_string(i) + ".invalid", server.port()) + "lost");
  EXPECT_TRUE(support::wait_until([&] {
    client.send(relay, head_to(server.port()) + "found");
    return server.receive(kShortly) == "found";
  }));
}

}  // namespace
}  // namespace propeller::forward
