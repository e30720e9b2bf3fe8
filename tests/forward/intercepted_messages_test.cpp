// Messages inside an intercepted connection that are none: what is said about them, and that it goes on.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"
#include "forward/scripted_origin.hpp"
#include "forward/tls_peer.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {
namespace {

using http::contains_ignoring_case;
using http::Peer;
using namespace std::string_literals;

class InterceptedMessages : public ProxyTest {
 protected:
  /// An intercepted connection to the origin.
  struct Client {
    Client(std::uint16_t proxy, const std::string& host, const std::filesystem::path& ca)
        : below(Peer::connect(proxy)), is_open(open(host)), tls(below, ca, "localhost", "http/1.1") {
      EXPECT_TRUE(is_open && tls.is_connected());
    }
    bool open(const std::string& host) {
      below.send("CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
      return below.read_head().starts_with("HTTP/1.1 200 ");
    }
    Peer below;
    bool is_open;
    TlsPeer tls;
  };
  [[nodiscard]] std::string host() const { return "localhost:" + std::to_string(origin.port()); }
  [[nodiscard]] std::unique_ptr<Client> connect() const {
    return std::make_unique<Client>(port, host(), directory / "certs/ca.crt");
  }
  [[nodiscard]] std::string get(const std::string& path) const {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host() + "\r\n\r\n";
  }
  [[nodiscard]] std::string post(const std::string& fields, const std::string& body) const {
    return "POST /bad HTTP/1.1\r\nHost: " + host() + "\r\n" + fields + "\r\n\r\n" + body;
  }
  static void expect_good(Client& client, const std::string& request) {
    client.tls.send(request);
    const auto answer = client.tls.read_message();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("good")) << answer;
  }
  /// Behind a good request. Two readings of where it ends are how requests are smuggled, so nothing is read after it.
  void expect_refused(const std::string& status, const std::string& bad) const {
    const auto client = connect();
    expect_good(*client, get("/good"));
    client->tls.send(bad + get("/smuggled"));
    const auto answers = client->tls.read_all();
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 " + status + " ")) << bad.substr(0, 200) << answers;
    EXPECT_EQ(answers.find("HTTP/1.1 ", 1), std::string::npos) << bad.substr(0, 200) << answers;
    EXPECT_TRUE(contains_ignoring_case(answers, "\r\nConnection: close\r\n")) << answers;
    expect_good(*connect(), get("/good"));
  }
  void expect_only_good_ones_arrived() const {
    for (const auto& request : origin.requests()) EXPECT_EQ(request.target, "/good");
  }

  /// What the origin says to "/bad/0" and so on; the last one has a head that is in order.
  const std::vector<std::string> bad_answers{
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'a') + "\r\n\r\n",
      "220 smtp ready\r\n",
      "",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n"};
  ScriptedOrigin origin{[this](const support::SeenRequest& request) {
                          if (!request.target.starts_with("/bad/")) return scripted(200, "", request.target.substr(1));
                          return bad_answers.at(std::stoul(request.target.substr(5)));
                        },
                        &tls};
};

TEST_F(InterceptedMessages, WhatIsNoRequestIsA400AndTheEndOfItsConnection) {
  start();
  const auto host_line = "Host: " + host() + "\r\n";
  for (const auto& bad :
       {"GET /bad HTTP/1.1\r\n\r\n"s, "GET /a b HTTP/1.1\r\n" + host_line + "\r\n",
        "G@T /bad HTTP/1.1\r\n" + host_line + "\r\n", "GET /bad HTTP/x.1\r\n" + host_line + "\r\n",
        "GET bad HTTP/1.1\r\n" + host_line + "\r\n", "GET /bad HTTP/1.1\r\n" + host_line + host_line + "\r\n",
        "GET /bad HTTP/1.1\r\n" + host_line + "X : a\r\n\r\n",
        "GET /bad HTTP/1.1\r\n" + host_line + "X: a\r\n b\r\n\r\n"})
    expect_refused("400", bad);
  expect_only_good_ones_arrived();
}

TEST_F(InterceptedMessages, ARequestWhoseEndIsInDoubtIsA400) {
  start();
  for (const auto* fields :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked, gzip", "Content-Length: +5"})
    expect_refused("400", post(fields, "0\r\n\r\n"));
  expect_only_good_ones_arrived();
}

// The head has gone on already by then: the origin sees a request that breaks off, never one that ends.
TEST_F(InterceptedMessages, AChunkThatIsNoneIsA400) {
  start();
  for (const auto* body : {"zz\r\n", "-5\r\nhello\r\n", "5\r\nhelloXX", "5\nhello\r\n", "fffffffffffffffff\r\n"})
    expect_refused("400", post("Transfer-Encoding: chunked", body));
  expect_only_good_ones_arrived();
}

TEST_F(InterceptedMessages, ATooLargeHeadIsNamedAsWhatItIs) {
  start();
  std::string many;
  for (int i = 0; i < 200; ++i) many += "X-" + std::to_string(i) + ": a\r\n";
  expect_refused("414", get("/" + std::string(20'000, 'a')));
  expect_refused("431", "GET /bad HTTP/1.1\r\nHost: " + host() + "\r\nX: " + std::string(70'000, 'a') + "\r\n\r\n");
  expect_refused("431", "GET /bad HTTP/1.1\r\nHost: " + host() + "\r\n" + many + "\r\n");
  expect_only_good_ones_arrived();
}

TEST_F(InterceptedMessages, AnOriginsMalformedResponseIsABadGatewayAndTheConnectionGoesOn) {
  start();
  const auto client = connect();
  for (std::size_t i = 0; i + 1 < bad_answers.size(); ++i) {
    client->tls.send(get("/bad/" + std::to_string(i)));
    const auto answer = client->tls.read_message();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 ")) << bad_answers[i].substr(0, 200) << answer;
    EXPECT_TRUE(contains_ignoring_case(answer, "\r\nProxy-Status: ")) << answer;
    expect_good(*client, get("/good"));
  }
}

// Its head is out: all that can be done is that nobody takes it for whole.
TEST_F(InterceptedMessages, AResponseThatIsMalformedFurtherOnBreaksOff) {
  start();
  const auto client = connect();
  client->tls.send(get("/bad/" + std::to_string(bad_answers.size() - 1)));
  const auto answer = client->tls.read_all();
  EXPECT_FALSE(answer.ends_with("\r\n0\r\n\r\n")) << answer;
  EXPECT_FALSE(contains_ignoring_case(answer, "zz")) << answer;
  expect_good(*connect(), get("/good"));
}

}  // namespace
}  // namespace propeller::forward
