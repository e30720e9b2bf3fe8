#include "http/client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>

#include "http/client_fixture.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(Client, AsksAndReadsTheAnswer) {
  ClientBench bench;
  PeerListener upstream;
  OutgoingRequest request{.method = "GET", .authority = "up.example:81", .path = "/a?b"};
  request.fields.add("Accept", "*/*");
  request.fields.add("Connection", "X");
  request.fields.add("Transfer-Encoding", "chunked");
  auto outcome = bench.ask(upstream.port(), std::move(request));
  Peer peer = upstream.accept();
  EXPECT_EQ(peer.read_head(), "GET /a?b HTTP/1.1\r\nHost: up.example:81\r\nAccept: */*\r\n\r\n");
  peer.send("HTTP/1.1 203 Fine\r\nX-Field: y\r\nContent-Length: 5\r\n\r\nhello");
  const Outcome got = outcome.get();
  EXPECT_EQ(got.status, 203);
  EXPECT_EQ(got.reason, "Fine");
  EXPECT_EQ(got.field, "y");
  EXPECT_EQ(got.length, 5u);
  EXPECT_EQ(got.body, "hello");
  EXPECT_FALSE(got.body_error);
}

TEST(Client, UsesAConnectionAgainAndTheLastOneFirst) {
  ClientBench bench;
  PeerListener upstream;
  auto first = bench.ask(upstream.port());
  Peer one = upstream.accept();
  one.read_head();
  auto second = bench.ask(upstream.port());
  Peer two = upstream.accept();
  two.read_head();
  one.send(kOk);
  EXPECT_FALSE(first.get().is_reused);
  two.send(kOk);
  second.get();
  EXPECT_EQ(bench.idle(), 2u);
  for (int i = 0; i < 3; ++i) {
    auto again = bench.ask(upstream.port());
    two.read_head();
    two.send(kOk);
    EXPECT_TRUE(again.get().is_reused);
  }
  EXPECT_EQ(bench.connector.connects, 2);
}

TEST(Client, ReadsChunksWithTheirTrailerAndBodiesThatEndWithTheConnection) {
  ClientBench bench;
  PeerListener upstream;
  auto chunked = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send_bytewise(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n");
  Outcome got = chunked.get();
  EXPECT_EQ(got.body, "abcde");
  EXPECT_EQ(got.trailer, "7");
  EXPECT_FALSE(got.length);

  auto until_close = bench.ask(upstream.port());
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\n\r\nall there is");
  peer.close();
  got = until_close.get();
  EXPECT_EQ(got.body, "all there is");
  EXPECT_FALSE(got.body_error);
  EXPECT_EQ(bench.idle(), 0u);
}

TEST(Client, ToHeadItTellsTheLengthAndKeepsTheConnection) {
  ClientBench bench;
  PeerListener upstream;
  auto outcome = bench.ask(upstream.port(), {.method = "HEAD"});
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n");
  const Outcome got = outcome.get();
  EXPECT_EQ(got.length, 700u);
  EXPECT_EQ(got.body, "");
  EXPECT_EQ(bench.idle(), 1u);
}

TEST(Client, DoesNotUseAConnectionAgainAfterAnyDoubt) {
  for (const auto* response :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
        "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"}) {
    ClientBench bench;
    PeerListener upstream;
    auto outcome = bench.ask(upstream.port());
    Peer peer = upstream.accept();
    peer.read_head();
    peer.send(response);
    EXPECT_FALSE(outcome.get().error) << response;
    EXPECT_EQ(bench.idle(), 0u) << response;
  }
}

TEST(Client, AMalformedResponseIsAnErrorOfTheUpstream) {
  for (const auto* response :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"}) {
    ClientBench bench;
    PeerListener upstream;
    auto outcome = bench.ask(upstream.port());
    Peer peer = upstream.accept();
    peer.read_head();
    peer.send(response);
    const Outcome got = outcome.get();
    ASSERT_TRUE(got.error) << response;
    EXPECT_EQ(got.error->code, Code::protocol_error) << response;
    EXPECT_EQ(got.error->origin, Origin::upstream);
    EXPECT_EQ(bench.open(), 0u);
  }
}

TEST(Client, ABodyThatBreaksIsAnErrorAndNoEnd) {
  for (const auto* response : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nx\r\n"}) {
    ClientBench bench;
    PeerListener upstream;
    auto outcome = bench.ask(upstream.port());
    Peer peer = upstream.accept();
    peer.read_head();
    peer.send(response);
    peer.close();
    const Outcome got = outcome.get();
    EXPECT_EQ(got.body, "hel") << response;
    ASSERT_TRUE(got.body_error) << response;
    EXPECT_EQ(got.body_error->code, Code::protocol_error) << response;
  }
}

TEST(Client, AsksAgainWhenAPooledConnectionWasClosedAsItWasUsed) {
  ClientBench bench;
  PeerListener upstream;
  auto first = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send(kOk);
  first.get();
  // Takes the request and closes: just as an idle time-out that crosses it.
  auto second = bench.ask(upstream.port());
  peer.read_head();
  peer.close();
  Peer fresh = upstream.accept();
  fresh.read_head();
  fresh.send(kOk);
  const Outcome got = second.get();
  EXPECT_EQ(got.status, 200);
  EXPECT_FALSE(got.is_reused);
}

TEST(Client, DoesNotAskAgainOnANewConnectionNorWhenItCouldCountTwice) {
  ClientBench bench;
  PeerListener upstream;
  auto lost = bench.ask(upstream.port());
  upstream.accept().read_head();
  EXPECT_EQ(lost.get().error->code, Code::connection_reset);

  auto first = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send(kOk);
  first.get();
  auto post = bench.ask(upstream.port(), {.method = "POST", .body = std::make_unique<MemoryBody>("x")});
  peer.read_head();
  peer.read(1);
  peer.close();
  EXPECT_EQ(post.get().error->code, Code::connection_reset);
  EXPECT_TRUE(upstream.is_silent(0));

  auto second = bench.ask(upstream.port());
  Peer again = upstream.accept();
  again.read_head();
  again.send(kOk);
  second.get();
  auto bodiless = bench.ask(upstream.port(), {.method = "POST"});
  again.read_head();
  again.close();
  EXPECT_EQ(bodiless.get().error->code, Code::connection_reset) << "what it starts may have been started";
  EXPECT_TRUE(upstream.is_silent(0));
}

TEST(Client, DropsAPooledConnectionThatTheUpstreamClosed) {
  ClientBench bench;
  PeerListener upstream;
  auto first = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send(kOk);
  first.get();
  peer.close();
  auto second = bench.ask(upstream.port(), {.method = "POST", .body = std::make_unique<MemoryBody>("x")});
  Peer fresh = upstream.accept();
  fresh.read_head();
  fresh.send(kOk);
  EXPECT_EQ(second.get().status, 200);
}

TEST(Client, KeepsNoMoreIdleConnectionsThanItMay) {
  ClientBench bench({.idle_per_destination_max = 2, .idle_max = 3});
  PeerListener one, two;
  for (PeerListener* upstream : {&one, &two}) {
    std::vector<std::future<Outcome>> outcomes;
    std::vector<Peer> peers;
    for (int i = 0; i < 3; ++i) {
      outcomes.push_back(bench.ask(upstream->port()));
      peers.push_back(upstream->accept());
      peers.back().read_head();
    }
    for (auto& peer : peers) peer.send(kOk);
    for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().status, 200);
    EXPECT_EQ(bench.idle(), upstream == &one ? 2u : 3u);
  }
  EXPECT_EQ(bench.open(), 3u);
}

TEST(Client, ClosesIdleConnectionsAfterTheirTime) {
  ClientBench bench({.idle_timeout = 40ms});
  PeerListener upstream;
  auto outcome = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send(kOk);
  outcome.get();
  EXPECT_TRUE(peer.is_ended());
  EXPECT_EQ(bench.idle(), 0u);
}

TEST(Client, OpensNoMoreConnectionsThanItMay) {
  ClientBench bench({.connections_max = 1});
  PeerListener upstream;
  auto first = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  EXPECT_EQ(bench.ask(upstream.port()).get().error->code, Code::limit_exceeded);
  peer.send(kOk);
  first.get();
}

TEST(Client, WaitsForAResponseAndForItsBodyOnlySoLong) {
  ClientBench bench({.first_byte_timeout = 50ms, .read_timeout = 50ms});
  PeerListener upstream;
  auto silent = bench.ask(upstream.port());
  Peer peer = upstream.accept();
  EXPECT_EQ(silent.get().error->code, Code::timeout);
  auto stuck = bench.ask(upstream.port());
  Peer other = upstream.accept();
  other.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_EQ(stuck.get().body_error->code, Code::timeout);
}

TEST(Client, HandsOutInformationalResponsesUpToALimit) {
  ClientBench bench({.informational_max = 2});
  PeerListener upstream;
  Hints hints;
  auto outcome = bench.ask(upstream.port(), {.informational = &hints});
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + kOk);
  EXPECT_EQ(outcome.get().body, "ok");
  EXPECT_EQ(hints.statuses, "103<x> ");
  auto flood = bench.ask(upstream.port());
  peer.read_head();
  for (int i = 0; i < 3; ++i) peer.send("HTTP/1.1 103 Early Hints\r\n\r\n");
  EXPECT_EQ(flood.get().error->code, Code::limit_exceeded);
}

TEST(Client, AsksAProxyInAbsoluteForm) {
  ClientBench bench;
  PeerListener upstream;
  auto outcome = bench.ask(upstream.port(), {.path = "/x", .absolute_scheme = "http"});
  Peer peer = upstream.accept();
  EXPECT_TRUE(peer.read_head().starts_with("GET http://up.example/x HTTP/1.1\r\nHost: up.example\r\n"));
  peer.send(kOk);
  outcome.get();
}

TEST(Client, GivesTheConnectionAwayAfterAnUpgrade) {
  ClientBench bench;
  PeerListener upstream;
  for (const bool is_connect : {false, true}) {
    OutgoingRequest request;
    if (is_connect) {
      request = {.method = "CONNECT", .authority = "far.example:443"};
    } else {
      request.upgrade = "echo";
    }
    auto outcome = bench.ask(upstream.port(), std::move(request));
    Peer peer = upstream.accept();
    const std::string head = peer.read_head();
    if (is_connect) {
      EXPECT_TRUE(head.starts_with("CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n"));
    } else {
      EXPECT_TRUE(head.contains("\r\nUpgrade: echo\r\nConnection: upgrade\r\n")) << head;
    }
    peer.send(std::string(is_connect ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 101 Switching\r\nUpgrade: echo\r\n") +
              "\r\nearly ");
    EXPECT_EQ(peer.read(4), "ping");
    peer.send("pong");
    peer.close();
    EXPECT_EQ(outcome.get().body, "early pong");
  }
}

TEST(Client, NeverWritesARequestThatWouldSplit) {
  ClientBench bench;
  PeerListener upstream;
  auto outcome = bench.ask(upstream.port(), {.path = "/x HTTP/1.1\r\nX: y\r\n\r\n"});
  EXPECT_EQ(outcome.get().error->code, Code::bad_request);
}

}  // namespace
}  // namespace propeller::http
