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
    auto [client, upstream] = open(request(fields));
    Passed passed{.request = upstream.read_head(), .response = {}};
    upstream.send(answer);
    passed.response = client.read_message();
    return passed;
  }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(origin.port()); }
  [[nodiscard]] std::string request(const std::string& fields = "", const std::string& method = "GET") const {
    return method + " http://" + host() + "/ HTTP/1.1\r\nHost: " + host() + "\r\n" + fields + "\r\n";
  }
  struct Ends {
    Peer client;
    Peer upstream;
  };
  /// Both ends of a request that is on its way.
  Ends open(const std::string& sent) {
    auto client = Peer::connect(port);
    client.send(sent);
    return {.client = std::move(client), .upstream = origin.accept()};
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

// Two readings of where one message ends are how requests are smuggled: http/request_head_test.cpp has all the forms.
TEST_F(MessagesTest, ARequestWhoseEndIsInDoubtEndsTheConnection) {
  start();
  for (const auto& lines :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked"s, "Content-Length: 5\r\nContent-Length: 6"s,
        "Content-Length: +5"s, "Transfer-Encoding: chunked, gzip"s, "Transfer-Encoding: xchunked"s,
        "Transfer-Encoding: \vchunked"s, "X : a"s, "X: a\r\n b"s, "X: a\rb"s, "X: a\0b"s, "X: a\nContent-Length: 5"s}) {
    for (const bool is_in_tunnel : {false, true}) {
      auto client = Peer::connect(port);
      if (is_in_tunnel) {
        client.send("CONNECT " + host() + " HTTP/1.1\r\nHost: " + host() + "\r\n\r\n");
        ASSERT_TRUE(client.read_head().starts_with("HTTP/1.1 200 "));
      }
      client.send("POST " + (is_in_tunnel ? "" : "http://" + host()) + "/ HTTP/1.1\r\nHost: " + host() + "\r\n" +
                  lines + "\r\n\r\nhello" + request());
      const auto answers = client.read_all();
      EXPECT_TRUE(answers.starts_with("HTTP/1.1 400 ")) << lines << answers;
      EXPECT_EQ(answers.find("HTTP/1.1", 1), std::string::npos) << lines << answers;
    }
  }
}

TEST_F(MessagesTest, AResponseWhoseEndIsInDoubtIsABadGateway) {
  start();
  for (const auto& answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"s,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"s,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"s,
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok"s,
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"s, "ICY 200 OK\r\nContent-Length: 2\r\n\r\nok"s}) {
    const auto response = pass("", answer).response;
    EXPECT_TRUE(response.starts_with("HTTP/1.1 502 ")) << answer << response;
    EXPECT_TRUE(contains_ignoring_case(response, "\r\nProxy-Status: ")) << response;
  }
}

TEST_F(MessagesTest, AConnectionThatWasClosedWhileItWasIdleIsNotTheClientsMatter) {
  settings.threads = 1;
  start();
  auto [client, kept] = open(request());
  kept.read_head();
  kept.send(ok());
  EXPECT_TRUE(client.read_message().ends_with("ok"));
  client.send(request());
  EXPECT_TRUE(kept.read_head().starts_with("GET / ")) << "over the same connection";
  kept.close();
  auto fresh = origin.accept();
  EXPECT_TRUE(fresh.read_head().starts_with("GET / "));
  fresh.send(ok());
  EXPECT_TRUE(client.read_message().ends_with("ok"));
}

TEST_F(MessagesTest, AClientThatWaitsToBeToldToGoOnIsToldByTheOrigin) {
  start();
  auto [client, upstream] = open(request("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST"));
  EXPECT_TRUE(contains_ignoring_case(upstream.read_head(), "\r\nExpect: 100-continue\r\n"));
  upstream.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(client.read_head().starts_with("HTTP/1.1 100 "));
  client.send("hello");
  EXPECT_EQ(upstream.read(5), "hello");
  upstream.send(ok());
  EXPECT_TRUE(client.read_message().starts_with("HTTP/1.1 200 "));
}

// Source: RFC 9110 section 7.6.2
TEST_F(MessagesTest, MaxForwardsCountsTheWay) {
  start();
  auto client = Peer::connect(port);
  for (const auto& [method, status] : {std::pair("OPTIONS"s, "204"s), std::pair("TRACE"s, "405"s)}) {
    client.send(request("Max-Forwards: 0\r\n", method));
    const auto answer = client.read_message();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status)) << answer;
    EXPECT_TRUE(contains_ignoring_case(answer, "\r\nAllow: GET, HEAD, ")) << answer;
    client.send(request("Max-Forwards: soon\r\n", method));
    EXPECT_TRUE(client.read_message().starts_with("HTTP/1.1 400 "));
  }
  EXPECT_TRUE(origin.is_silent(0));
  auto [counted, upstream] = open(request("Max-Forwards: 3\r\n", "OPTIONS"));
  EXPECT_TRUE(contains_ignoring_case(upstream.read_head(), "\r\nMax-Forwards: 2\r\n"));
  upstream.send(ok());
  EXPECT_TRUE(counted.read_message().starts_with("HTTP/1.1 200 "));
}

TEST_F(MessagesTest, HintsInFrontOfAResponseAndTrailersBehindItGoThrough) {
  start();
  auto [client, upstream] = open(request("TE: trailers\r\nConnection: TE\r\n"));
  upstream.read_head();
  upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
  EXPECT_TRUE(client.read_head().contains("\r\nLink: </a.css>\r\n"));
  upstream.send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n");
  const std::string end = "\r\n0\r\nX-Sum: 1\r\n\r\n";
  const auto response = client.read_until(end);
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 ")) << response;
  EXPECT_TRUE(response.ends_with(end)) << response;
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
