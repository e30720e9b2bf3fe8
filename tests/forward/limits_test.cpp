// Many clients that do nothing useful, and one that does.
#include <gtest/gtest.h>

#include <deque>

#include "forward/login_check.hpp"
#include "forward/proxy_fixture.hpp"

namespace propeller::forward {
namespace {

using http::Peer;
using namespace std::string_literals;

class LimitsTest : public ProxyTest {
 protected:
  static std::size_t open_files() {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }
};

TEST_F(LimitsTest, SlowClientsNeitherHinderAGoodOneNorStayForEver) {
  constexpr std::size_t kEach = 100;
  settings.proxy.timeouts.read = 3s;
  settings.proxy.timeouts.idle = 3s;
  start();
  EXPECT_TRUE(contains(curl({blob(plain, "plain bytes")}), "plain bytes"));
  EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == 0; }));
  const auto files_before = open_files();
  {
    std::deque<Peer> slow;
    for (const auto& beginning : {""s, "GET http://127.0.0.1/ HTT"s, "\x05"s, "\x05\x01\x00\x05\x01"s,
                                  "\x16\x03\x01\x02\x00\x01"s, "\x04\x01\x00\x50"s}) {
      for (std::size_t i = 0; i < kEach; ++i) slow.push_back(Peer::connect(port)), slow.back().send(beginning);
    }
    EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == slow.size(); }));
    const auto got = curl({blob(secure, "secure bytes", "localhost")});
    EXPECT_TRUE(contains(got, "secure bytes")) << got.output;
    EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == 0; })) << proxy->connections() << " left";
  }
  // But for the connection to the second origin, which is kept for the next request.
  EXPECT_TRUE(support::wait_until([&] { return open_files() <= files_before + 2; })) << open_files() - files_before;
}

// Something stayed behind for good of every connection that had been served.
TEST_F(LimitsTest, AnsweredConnectionsLeaveNothingBehind) {
  settings.threads = 1;
  start();
  const auto ask = [&](std::string_view connection) {
    const auto url = blob(plain, "plain bytes");
    auto client = Peer::connect(port);
    client.send("GET " + url + " HTTP/1.1\r\nHost: " + plain.host() + "\r\nConnection: " + std::string(connection) +
                "\r\n\r\n");
    return client.read_message().ends_with("plain bytes");
  };
  EXPECT_TRUE(ask("close"));
  EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == 0; }));
  const auto files_before = open_files();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ask(i % 2 == 0 ? "close" : "keep-alive"));
  EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == 0; })) << proxy->connections() << " left";
  // But for a few connections to the origin, which are kept.
  EXPECT_TRUE(support::wait_until([&] { return open_files() <= files_before + 10; })) << open_files() - files_before;
}

// More at once than hashes are computed at a time: nobody who is right is turned away.
TEST_F(LimitsTest, ManyConnectionsWithOneLoginAllPass) {
  support::write_file(directory / "users", "bob:$2y$05$abcdefghijklmnopqrstuuhKF09ZYWwH2zP/0fwE1X8e/Q1YNx/hO\n");  // x
  settings.proxy.users = directory / "users";
  settings.threads = 1;
  start();
  std::deque<Peer> clients;
  for (std::size_t i = 0; i < 10 * LoginCheck::kChecksMax; ++i) {
    clients.push_back(Peer::connect(port));
    const bool is_wrong = i % 4 == 0;
    clients.back().send("\x05\x01\x02\x01\x03"s + "bob\x01" + (is_wrong ? "y" : "x"));
  }
  for (std::size_t i = 0; i < clients.size(); ++i)
    EXPECT_EQ(clients[i].read(4), i % 4 == 0 ? "\x05\x02\x01\x01"s : "\x05\x02\x01\x00"s) << i;
}

TEST_F(LimitsTest, TunnelsAndAssociationsThatBreakLeaveNothingBehind) {
  start();
  http::PeerListener server;
  const auto files_before = open_files();
  for (int i = 0; i < 50; ++i) {
    auto tunnel = Peer::connect(port), association = Peer::connect(port);
    tunnel.send("\x05\x01\x00\x05\x01\x00\x01\x7f\0\0\1"s + static_cast<char>(server.port() >> 8) +
                static_cast<char>(server.port() & 0xff));
    association.send("\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0"s);
    EXPECT_EQ(tunnel.read(12).size(), 12U);
    EXPECT_EQ(association.read(12).size(), 12U);
    auto upstream = server.accept();
    tunnel.reset();
    association.reset();
    EXPECT_TRUE(upstream.is_ended());
  }
  EXPECT_TRUE(support::wait_until([&] { return proxy->connections() == 0; })) << proxy->connections() << " left";
  EXPECT_TRUE(support::wait_until([&] { return open_files() <= files_before; })) << open_files() - files_before;
}

}  // namespace
}  // namespace propeller::forward
