// What of a message goes through, and what stays here: bytes as both sides see them.
#include <gtest/gtest.h>

#include "forward/proxy_fixture.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {
namespace {

using http::contains_ignoring_case;
using http::Peer;
using http::PeerListener;
using namespace std::string_literals;

class MessagesTest : public ProxyTest {
 protected:
  struct Passed {
    std::string request;   ///< as the origin got it
    std::string response;  ///< as the client got it
  };
  /// A request with these lines of fields, answered with `answer`.
  Passed pass(const std::string& fields, const std::string& answer) {
    const auto host = "127.0.0.1:" + std::to_string(origin.port());
    auto client = Peer::connect(port);
    client.send("GET http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
    auto upstream = origin.accept();
    Passed passed{.request = upstream.read_head(), .response = {}};
    upstream.send(answer);
    passed.response = client.read_message();
    return passed;
  }
  static std::string ok() { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"; }

  PeerListener origin;
};

// TE of one client, passed on, broke the origins that speak HTTP/2.
TEST_F(MessagesTest, WhatConcernsOneConnectionStaysThere) {
  start();
  const auto passed = pass(
      "Connection: keep-alive, X-Named\r\nX-Named: a\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
      "TE: gzip\r\nTrailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX-End: kept\r\n",
      "HTTP/1.1 200 OK\r\nConnection: X-Named\r\nX-Named: a\r\nKeep-Alive: timeout=5\r\n"
      "Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End: kept\r\nContent-Length: 2\r\n\r\nok");
  for (const auto* name : {"X-Named", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "HTTP2-Settings",
                           "Proxy-Authenticate"}) {
    EXPECT_FALSE(contains_ignoring_case(passed.request, "\r\n"s + name + ":")) << passed.request;
    EXPECT_FALSE(contains_ignoring_case(passed.response, "\r\n"s + name + ":")) << passed.response;
  }
  EXPECT_TRUE(passed.request.contains("\r\nX-End: kept\r\n")) << passed.request;
  EXPECT_TRUE(passed.response.contains("\r\nX-End: kept\r\n")) << passed.response;
  EXPECT_TRUE(passed.response.ends_with("ok"));
}

// Asked for in another coding and unpacked on the way, a body fits neither its ETag, nor its length, nor its digest.
TEST_F(MessagesTest, TheCodingIsBetweenTheClientAndTheOrigin) {
  start();
  const auto packed = "\x0b\x01\x80ok\x03"s;
  const auto passed =
      pass("Accept-Encoding: br;q=1.0, zstd\r\n",
           "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nETag: \"packed\"\r\nContent-Length: 6\r\n\r\n" + packed);
  EXPECT_TRUE(passed.request.contains("\r\nAccept-Encoding: br;q=1.0, zstd\r\n")) << passed.request;
  EXPECT_TRUE(passed.response.contains("\r\nContent-Encoding: br\r\n")) << passed.response;
  EXPECT_TRUE(passed.response.contains("\r\nETag: \"packed\"\r\n")) << passed.response;
  EXPECT_TRUE(passed.response.ends_with("\r\n\r\n" + packed)) << passed.response;
  EXPECT_FALSE(contains_ignoring_case(pass("", ok()).request, "Accept-Encoding")) << "who asked for none gets none";
}

// The winner was a matter of luck, a rule whose conditions failed ended the search, and appending lost values.
TEST_F(MessagesTest, OfTheHeaderRulesTheMostSpecificThatHoldsIsApplied) {
  const auto rule = [](std::string pattern, std::vector<config::HeaderCondition> conditions = {}) {
    return config::HeaderRule{.pattern = pattern,
                              .conditions = std::move(conditions),
                              .set = {{.name = "X-Rule", .value = Secret(pattern)}},
                              .append = {{.name = "X-List", .value = Secret("c")}}};
  };
  settings.rules.headers = {rule("*"), rule("127.*"), rule("127.0.0.1", {{"X-Env", "prod"}}), rule("127.0.0.*")};
  start();
  const auto exact = pass("X-Env: prod\r\n", ok()).request;
  EXPECT_TRUE(exact.contains("\r\nX-Rule: 127.0.0.1\r\n")) << exact;
  const auto wild = pass("X-Env: test\r\nX-List: a\r\nX-List: b\r\n", ok()).request;
  EXPECT_TRUE(wild.contains("\r\nX-Rule: 127.0.0.*\r\n")) << wild;
  EXPECT_TRUE(wild.contains("\r\nX-List: a, b, c\r\n")) << wild;
}

}  // namespace
}  // namespace propeller::forward
