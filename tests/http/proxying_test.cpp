#include <gtest/gtest.h>

#include "http/client_fixture.hpp"
#include "http/forwarding.hpp"
#include "http/serving.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

/// The smallest proxy there is: everything goes to one upstream, bodies are streamed both ways.
class Proxy final : public Handler {
 public:
  Proxy(const async::asio::any_io_executor& executor, std::uint16_t upstream)
      : client(executor, connector_, {}), destination_{.port = upstream, .http2 = Http2Use::never} {}

  awaitable<Response> handle(Request& request) override {
    OutgoingRequest outgoing{.method = std::string(request.head().method_name),
                             .authority = std::string(request.head().authority),
                             .path = std::string(request.head().path),
                             .fields = Fields(request.fields()),
                             .tasks = &request.tasks(),
                             .informational = &request};
    remove_hop_by_hop(outgoing.fields);
    if (request.has_body()) outgoing.body = request.take_body();
    auto answer = co_await client.send(destination_, outgoing);
    if (!answer) co_return text_response(502, answer.error().detail);
    Response response{.status = answer->status, .fields = std::move(answer->fields), .body = std::move(answer->body)};
    remove_hop_by_hop(response.fields);
    co_return response;
  }

  LoopbackConnector connector_;
  Client client;

 private:
  Destination destination_;
};

class ProxyingTest : public testing::Test {
 protected:
  ProxyingTest() : proxy_(core_.executor(), upstream_.port()), listener_(core_), tasks_(core_.executor()) {
    EXPECT_TRUE(listener_.open({async::asio::ip::address_v4::loopback(), 0}));
    core_.start();
    async::asio::post(core_.executor(), [this] { tasks_.spawn(accept()); });
  }
  ~ProxyingTest() override { stop(); }

  Peer connect() { return Peer::connect(listener_.address().port()); }
  void stop() {
    if (std::exchange(is_stopped_, true)) return;
    async::asio::co_spawn(core_.executor(), end(), async::asio::use_future).wait();
    core_.stop();
  }

  PeerListener upstream_;

 private:
  awaitable<void> accept() {
    for (;;) {
      auto stream = co_await listener_.accept();
      if (!stream) co_return;
      tasks_.spawn(serve(std::move(*stream)));
    }
  }
  awaitable<void> serve(std::unique_ptr<net::TcpStream> stream) { co_await server_.serve(*stream, proxy_); }
  awaitable<void> end() {
    listener_.close();
    tasks_.cancel();
    co_await tasks_.join();
    co_await proxy_.client.stop();
  }

  async::Core core_{"http_test"};
  Server server_{ServerLimits{.linger_timeout = 200ms}};
  Proxy proxy_;
  net::Listener listener_;
  async::TaskGroup tasks_;
  bool is_stopped_ = false;
};

const std::string kPost = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(ProxyingTest, StreamsBothWaysAtTheSameTime) {
  Peer client = connect();
  client.send(kPost + "3\r\none\r\n");
  Peer upstream = upstream_.accept();
  EXPECT_TRUE(upstream.read_head().contains("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_EQ(upstream.read_until("one\r\n"), "3\r\none\r\n");
  upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n");
  client.read_head();
  EXPECT_EQ(client.read_until("uno\r\n"), "3\r\nuno\r\n");
  client.send("3\r\ntwo\r\n0\r\n\r\n");
  EXPECT_EQ(upstream.read_until("0\r\n\r\n"), "3\r\ntwo\r\n0\r\n\r\n");
  upstream.send("3\r\ndos\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "3\r\ndos\r\n0\r\n\r\n");
  client.send("GET /y HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(upstream.read_head().starts_with("GET /y ")) << "both connections are used again";
  upstream.send(kOk);
  EXPECT_TRUE(client.read_message().ends_with("ok"));
}

TEST_F(ProxyingTest, AnAnswerBeforeTheEndOfTheBodyIsPassedOnAndEndsTheUpload) {
  Peer client = connect();
  client.send(kPost + "3\r\none\r\n");
  Peer upstream = upstream_.accept();
  upstream.read_until("one\r\n");
  upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_TRUE(client.read_message().ends_with("no"));
  EXPECT_TRUE(upstream.is_ended()) << "the rest is not sent";
  EXPECT_TRUE(client.is_ended());
}

TEST_F(ProxyingTest, AClientThatLeavesWithinItsBodyBreaksTheRequestAtTheUpstream) {
  Peer client = connect();
  client.send(kPost + "3\r\none\r\n");
  Peer upstream = upstream_.accept();
  upstream.read_until("one\r\n");
  client.reset();
  EXPECT_EQ(upstream.read_all(), "");
  EXPECT_TRUE(upstream.was_reset());
}

TEST_F(ProxyingTest, AnUpstreamThatBreaksBreaksTheClientsTransfer) {
  Peer client = connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer upstream = upstream_.accept();
  upstream.read_head();
  upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  client.read_until("one\r\n");
  upstream.reset();
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(client.was_reset());
}

TEST_F(ProxyingTest, AMalformedResponseIsABadGateway) {
  Peer client = connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer upstream = upstream_.accept();
  upstream.read_head();
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy");
  EXPECT_TRUE(client.read_message().starts_with("HTTP/1.1 502 "));
  EXPECT_TRUE(upstream.is_ended());
}

// What is under way refers to the session, the request's body and the upstream's connection: none may go too early.
TEST_F(ProxyingTest, StoppingInTheMiddleOfEverythingLeavesNothingBehind) {
  Peer uploading = connect();
  uploading.send(kPost + "3\r\none\r\n");
  Peer first = upstream_.accept();
  first.read_until("one\r\n");
  Peer both = connect();
  both.send(kPost + "3\r\none\r\n");
  Peer second = upstream_.accept();
  second.read_until("one\r\n");
  second.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n");
  both.read_until("uno\r\n");
  Peer waiting = connect();
  waiting.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer third = upstream_.accept();
  third.read_head();
  Peer http2 = connect();
  http2.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\x04\0\0\0\0\0", 9));
  http2.read(9);
  stop();
  for (Peer* const peer : {&first, &second, &third, &uploading, &both, &waiting}) {
    peer->read_all();
    EXPECT_TRUE(peer->is_ended());
  }
}

}  // namespace
}  // namespace propeller::http
