// A WebSocket client that is a program of its own, through the real proxy.
#include "forward_site.hpp"

namespace propeller::cmd {
namespace {

class ForwardWebSocket : public ForwardSite {
 protected:
  static std::vector<std::string> program(std::vector<std::string> words) {
    words.insert(words.begin(), {"python3", std::string(PROPELLER_SOURCE_DIR) + "/tests/cmd/web_socket.py"});
    return words;
  }
  /// A server, and a client that converses with it: says whether all of it was as it should be.
  void expect_conversation(const std::string& way, bool is_secure) {
    std::vector<std::string> serve{"serve"};
    if (is_secure) serve.insert(serve.end(), {tls_.server_certificate().string(), tls_.server_key().string()});
    support::Subprocess server({.arguments = program(serve)});
    const auto line = server.wait_line("port ");
    ASSERT_TRUE(line) << server.output();
    std::vector<std::string> talk{"talk", way, std::to_string(port_), line->substr(5)};
    if (is_secure) talk.push_back((files_ / "certs/ca.crt").string());
    support::Subprocess client({.arguments = program(talk)});
    EXPECT_EQ(client.wait_exit(), 0) << client.output() << server.output() << log();
  }
};

TEST_F(ForwardWebSocket, ConversesByPlainProxying) {
  start();
  expect_conversation("absolute", false);
}

TEST_F(ForwardWebSocket, ConversesInATunnelInTheClear) {
  start();
  expect_conversation("tunnel", false);
}

// The client trusts the proxy's authority and nobody else.
TEST_F(ForwardWebSocket, ConversesThroughInterception) {
  start();
  expect_conversation("tunnel", true);
}

}  // namespace
}  // namespace propeller::cmd
