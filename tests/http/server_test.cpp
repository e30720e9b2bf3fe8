#include "http/server.hpp"

#include <gtest/gtest.h>

#include "http/serving.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

TEST(Server, AnswersAndKeepsTheConnection) {
  Serving serving;
  Peer peer = serving.connect();
  for (int i = 0; i < 3; ++i) {
    peer.send(get("/x"));
    const std::string response = peer.read_message();
    EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
    EXPECT_TRUE(response.contains("\r\nDate: ")) << response;
    EXPECT_TRUE(response.contains("\r\nContent-Length: 6\r\n")) << response;
    EXPECT_FALSE(response.contains("Connection")) << response;
    EXPECT_TRUE(response.ends_with("\r\n\r\nGET /x")) << response;
  }
  EXPECT_EQ(serving.figures().requests, 3u);
  EXPECT_EQ(serving.figures().connections, 1u);
}

TEST(Server, AnswersARequestThatComesByteByByte) {
  Serving serving;
  Peer peer = serving.connect();
  peer.send_bytewise(get("/slow", "X: y\r\n"));
  EXPECT_TRUE(peer.read_message().ends_with("GET /slow"));
}

TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  Serving serving;
  Peer peer = serving.connect();
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += get("/" + std::to_string(i));
  peer.send(requests);
  for (int i = 0; i < 50; ++i) {
    const std::string response = peer.read_message();
    EXPECT_TRUE(response.ends_with("\r\n\r\nGET /" + std::to_string(i))) << response;
  }
}

TEST(Server, ClosesWhenTheClientAsksForIt) {
  Serving serving;
  Peer peer = serving.connect();
  peer.send(get("/", "Connection: close\r\n") + get("/never"));
  EXPECT_TRUE(peer.read_message().contains("\r\nConnection: close\r\n"));
  EXPECT_TRUE(peer.is_ended());
  EXPECT_EQ(serving.handler.handled, 1);
}

TEST(Server, KeepsAConnectionOfHttp10OnlyWhenAsked) {
  Serving serving;
  Peer peer = serving.connect();
  peer.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(peer.read_message().contains("\r\nConnection: keep-alive\r\n"));
  peer.send("GET /b HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(peer.read_message().contains("\r\nConnection: close\r\n"));
  EXPECT_TRUE(peer.is_ended());
}

TEST(Server, AnswersAClientThatHasEndedItsSending) {
  Serving serving;
  Peer peer = serving.connect();
  peer.send(get("/half"));
  peer.end_sending();
  EXPECT_TRUE(peer.read_message().ends_with("GET /half"));
  EXPECT_TRUE(peer.is_ended());
}

TEST(Server, ToHeadItSendsTheLengthAndNoBody) {
  Serving serving;
  Peer peer = serving.connect();
  peer.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(peer.read_head().contains("\r\nContent-Length: 7\r\n"));
  peer.send(get("/next"));
  EXPECT_TRUE(peer.read_message().ends_with("GET /next"));
}

awaitable<Response> no_content(Request&) { co_return Response{.status = 204}; }

awaitable<Response> not_modified(Request&) {
  Response response{.status = 304};
  response.body = std::make_unique<EmptyBody>(1234);
  co_return response;
}

TEST(Server, SendsNoBodyWhereThereIsNone) {
  Serving serving;
  serving.handler.add("/204", no_content);
  serving.handler.add("/304", not_modified);
  Peer peer = serving.connect();
  peer.send(get("/204") + get("/304") + get("/x"));
  const std::string no_body = peer.read_head();
  EXPECT_TRUE(no_body.starts_with("HTTP/1.1 204 No Content\r\n"));
  EXPECT_FALSE(no_body.contains("Content-Length")) << no_body;
  EXPECT_TRUE(peer.read_head().contains("\r\nContent-Length: 1234\r\n"));
  EXPECT_TRUE(peer.read_message().ends_with("GET /x"));
}

// Whatever a handler copied into its answer, the framing on the wire is the session's.
awaitable<Response> lying_fields(Request&) {
  Response response = text_response(200, "four");
  response.fields.add("Content-Length", "5");
  response.fields.add("Transfer-Encoding", "chunked");
  response.fields.add("Connection", "X-Kept");
  response.fields.add("X-Split", "a\r\nInjected: yes");
  response.fields.add("X-Kept", "yes");
  co_return response;
}

TEST(Server, WritesItsOwnFramingAndNeverASplitHead) {
  Serving serving;
  serving.handler.add("/", lying_fields);
  Peer peer = serving.connect();
  peer.send(get("/"));
  const std::string response = peer.read_message();
  EXPECT_TRUE(response.contains("\r\nContent-Length: 4\r\n")) << response;
  EXPECT_TRUE(response.contains("\r\nX-Kept: yes\r\n")) << response;
  EXPECT_FALSE(response.contains("chunked")) << response;
  EXPECT_FALSE(response.contains("Connection")) << response;
  EXPECT_FALSE(response.contains("Injected")) << response;
}

TEST(Server, RefusesMalformedRequestsAndClosesTheConnection) {
  for (const auto* request : {"GET / HTTP/1.1\r\n\r\n",
                              "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    Serving serving;
    Peer peer = serving.connect();
    peer.send(std::string(request) + get("/smuggled"));
    const std::string response = peer.read_message();
    EXPECT_TRUE(response.starts_with("HTTP/1.1 400 Bad Request\r\n")) << response;
    EXPECT_TRUE(response.contains("\r\nConnection: close\r\n")) << response;
    EXPECT_TRUE(peer.is_ended());
    EXPECT_FALSE(peer.was_reset()) << "the answer may be lost";
    EXPECT_EQ(serving.handler.handled, 0);
    EXPECT_EQ(serving.handler.refused_status, 400);
  }
}

TEST(Server, RefusesWhatIsTooLargeWithItsOwnStatus) {
  Serving serving({.parse = {.head_bytes_max = 4096, .target_bytes_max = 1024, .fields_max = 4}});
  const auto status = [&](const std::string& request) {
    Peer peer = serving.connect();
    peer.send(request);
    return peer.read_message().substr(0, 12);
  };
  EXPECT_EQ(status(get("/" + std::string(1024, 'a'))), "HTTP/1.1 414");
  EXPECT_EQ(status(get("/", "X: " + std::string(4096, 'a') + "\r\n")), "HTTP/1.1 431");
  EXPECT_EQ(status(get("/", "A: b\r\nC: d\r\nE: f\r\nG: h\r\n")), "HTTP/1.1 431");
  EXPECT_EQ(status("GET / HTTP/3.0\r\n\r\n"), "HTTP/1.1 505");
}

TEST(Server, ASlowHeadIsAnswered408HoweverSteadilyItTrickles) {
  Serving serving({.head_timeout = 100ms});
  Peer peer = serving.connect();
  peer.send("GET / HTTP/1.1\r\nHost: h\r\n");
  for (int i = 0; i < 100 && peer.is_silent(5); ++i) peer.send("X");
  EXPECT_TRUE(peer.read_message().starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(serving.handler.refused_status, 408);
}

TEST(Server, AnIdleConnectionIsClosedWithoutAWord) {
  Serving serving({.idle_timeout = 50ms});
  Peer fresh = serving.connect();
  EXPECT_TRUE(fresh.is_ended());
  Peer served = serving.connect();
  served.send(get("/"));
  EXPECT_TRUE(served.read_message().ends_with("GET /"));
  EXPECT_TRUE(served.is_ended());
}

TEST(Server, TheLastRequestOfAConnectionSaysSo) {
  Serving serving({.requests_max = 2});
  Peer peer = serving.connect();
  peer.send(get("/") + get("/") + get("/"));
  EXPECT_FALSE(peer.read_message().contains("Connection: close"));
  EXPECT_TRUE(peer.read_message().contains("Connection: close"));
  EXPECT_TRUE(peer.is_ended());
}

TEST(Server, DrainingClosesIdleConnectionsAndEndsTheOthersAfterTheirAnswer) {
  Serving serving;
  Peer idle = serving.connect();
  idle.send(get("/"));
  EXPECT_TRUE(idle.read_message().ends_with("GET /"));
  Peer busy = serving.connect();
  busy.send("GET / HTTP/1.1\r\n");
  while (serving.figures().connections < 2) continue;
  serving.drain();
  EXPECT_TRUE(idle.is_ended());
  busy.send("Host: h\r\n\r\n");
  EXPECT_TRUE(busy.read_message().contains("Connection: close"));
  EXPECT_TRUE(busy.is_ended());
}

awaitable<Response> early_hints(Request& request) {
  Fields hints;
  hints.add("Link", "</style.css>; rel=preload");
  EXPECT_TRUE(co_await request.send_informational(103, hints));
  co_return text_response(200, "done");
}

TEST(Server, PassesOnInformationalResponsesButNotToHttp10) {
  Serving serving;
  serving.handler.add("/", early_hints);
  Peer peer = serving.connect();
  peer.send(get("/"));
  EXPECT_EQ(peer.read_head(), "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
  EXPECT_TRUE(peer.read_message().ends_with("done"));
  peer.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(peer.read_message().starts_with("HTTP/1.1 200 "));
}

class Echo final : public Takeover {
 public:
  awaitable<void> run(net::Stream& stream) override {
    std::array<char, 100> room{};
    for (;;) {
      const auto got = co_await stream.read_some(room);
      if (!got || *got == 0) break;
      if (auto sent = co_await stream.write(std::string_view(room.data(), *got)); !sent) break;
    }
    (void)co_await stream.shutdown_write();
  }
};

awaitable<Response> upgrade(Request& request) {
  if (request.head().path == "/refuse") co_return text_response(403, "no");
  Response response{.status = request.head().method == Method::connect ? 200 : 101};
  if (response.status == 101) response.fields.add("Upgrade", "echo");
  response.takeover = std::make_unique<Echo>();
  co_return response;
}

TEST(Server, HandsTheConnectionOverWithTheBytesThatCameTooEarly) {
  Serving serving;
  serving.handler.add("/up", upgrade);
  serving.handler.add("", upgrade);
  Peer up = serving.connect();
  up.send(get("/up", "Connection: upgrade\r\nUpgrade: echo\r\n") + "early ");
  const std::string head = up.read_head();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
  EXPECT_TRUE(head.contains("\r\nConnection: upgrade\r\n")) << head;
  EXPECT_FALSE(head.contains("Content-Length")) << head;
  up.send("late");
  up.end_sending();
  EXPECT_EQ(up.read_all(), "early late");

  Peer tunnel = serving.connect();
  tunnel.send("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\nhello");
  EXPECT_FALSE(tunnel.read_head().contains("Content-Length"));
  tunnel.end_sending();
  EXPECT_EQ(tunnel.read_all(), "hello");
}

awaitable<Response> forbidden(Request&) { co_return text_response(403, "no"); }

TEST(Server, BytesBehindARefusedConnectAreNotARequest) {
  Serving serving;
  serving.handler.add("", forbidden);
  Peer peer = serving.connect();
  peer.send("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n" + get("/smuggled"));
  EXPECT_TRUE(peer.read_message().starts_with("HTTP/1.1 403 "));
  EXPECT_TRUE(peer.is_ended());
  EXPECT_EQ(serving.handler.handled, 1);
}

}  // namespace
}  // namespace propeller::http
