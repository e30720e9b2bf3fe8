#include "admin/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <memory>

#include "admin/probe.hpp"

namespace propeller::admin {
namespace {

using namespace std::chrono_literals;
using async::asio::ip::tcp;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<Route> routes() {
  return {{.path = "/health", .answer = [] { return Answer{.body = "{\"status\":\"ok\"}\n"}; }},
          {.path = "/ready", .answer = [] { return Answer{.status = 503, .body = "{\"status\":\"down\"}\n"}; }},
          {.path = "/metrics", .answer = [] { return Answer{.content_type = "text/plain", .body = "x 1\n"}; }}};
}

class AdminServer : public testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_ = std::make_unique<Server>(core_.executor(), options, routes());
    const auto port = server_->start();
    ASSERT_TRUE(port) << port.error().detail;
    port_ = *port;
    core_.start();
  }
  void TearDown() override {
    if (port_ != 0) async::asio::co_spawn(core_.executor(), server_->stop(), async::asio::use_future).get();
    core_.stop();
  }

  tcp::socket connect() {
    tcp::socket socket(clients_);
    socket.connect({async::asio::ip::make_address("127.0.0.1"), port_});
    return socket;
  }
  /// Sends, then reads until the server closes.
  std::string exchange(const std::string& request) {
    auto socket = connect();
    boost::system::error_code ignored;
    async::asio::write(socket, async::asio::buffer(request), ignored);
    return read_to_end(socket);
  }
  static std::string read_to_end(tcp::socket& socket) {
    std::string answer;
    boost::system::error_code ended;
    async::asio::read(socket, async::asio::dynamic_buffer(answer), ended);
    return answer;
  }

  async::Core core_{"admin"};
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  async::asio::io_context clients_;
};

TEST_F(AdminServer, AnswersARouteWithItsStatusTypeAndBody) {
  start();
  const auto answer = exchange("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nx 1\n"));
  EXPECT_THAT(exchange("GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(AdminServer, AnswersHeadWithoutTheBodyButWithItsLength) {
  start();
  const auto answer = exchange("HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(AdminServer, RefusesUnknownPathsAndOtherMethods) {
  start();
  EXPECT_THAT(exchange("GET /else HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(exchange("GET /healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  const auto answer = exchange("DELETE /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(AdminServer, RefusesBodiesAndAmbiguousHostsAndCloses) {
  start();
  for (const std::string head :
       {"Host: a\r\nContent-Length: 3\r\n", "Host: a\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "Host: a\r\nHost: b\r\n", ""}) {
    EXPECT_THAT(exchange("GET /health HTTP/1.1\r\n" + head + "\r\n"), StartsWith("HTTP/1.1 400 ")) << head;
  }
  EXPECT_THAT(exchange("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(exchange("GET /health HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 200 "));
}

TEST_F(AdminServer, ServesSeveralRequestsOnOneConnectionAlsoPipelined) {
  start();
  const auto answer = exchange(
      "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("{\"status\":\"ok\"}\nHTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nx 1\n"));
}

TEST_F(AdminServer, RefusesAHeadBeyondItsLimit) {
  start();
  EXPECT_THAT(exchange("GET /health HTTP/1.1\r\nHost: a\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(AdminServer, EndsAConnectionThatSendsNoRequestInTime) {
  start({.request_deadline = 30ms});
  auto socket = connect();
  async::asio::write(socket, async::asio::buffer(std::string("GET /hea")));
  EXPECT_EQ(read_to_end(socket), "");
}

TEST_F(AdminServer, EndsAnIdleConnection) {
  start({.idle_deadline = 30ms});
  EXPECT_THAT(exchange("GET /health HTTP/1.1\r\nHost: a\r\n\r\n"), EndsWith("{\"status\":\"ok\"}\n"));
}

TEST_F(AdminServer, ClosesOneConnectionMoreThanItsLimitAtOnce) {
  start({.connections_max = 2});
  const auto ask_on = [](tcp::socket& socket) {
    async::asio::write(socket, async::asio::buffer(std::string("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")));
    char first = 0;
    boost::system::error_code error;
    async::asio::read(socket, async::asio::buffer(&first, 1), error);
    return !error;
  };
  auto one = connect();
  EXPECT_TRUE(ask_on(one));
  auto two = connect();
  EXPECT_TRUE(ask_on(two));
  auto three = connect();
  EXPECT_EQ(read_to_end(three), "");
}

TEST_F(AdminServer, SaysThatAPortIsTaken) {
  start();
  Server second(core_.executor(), {.port = port_}, routes());
  const auto result = second.start();
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().detail, HasSubstr("port " + std::to_string(port_) + ": Address already in use"));
}

TEST_F(AdminServer, StopEndsConnectionsThatWait) {
  start();
  auto socket = connect();
  async::asio::write(socket, async::asio::buffer(std::string("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")));
  char first = 0;
  async::asio::read(socket, async::asio::buffer(&first, 1));
  async::asio::co_spawn(core_.executor(), server_->stop(), async::asio::use_future).get();
  EXPECT_THAT(read_to_end(socket), Not(HasSubstr("HTTP/1.1 200 OK\r\nHTTP")));
}

TEST_F(AdminServer, ProbeTellsStatusAndBody) {
  start();
  const auto up = ask({.port = port_, .path = "/health"});
  ASSERT_TRUE(up) << up.error().detail;
  EXPECT_EQ(up->status, 200);
  EXPECT_EQ(up->body, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(ask({.address = "0.0.0.0", .port = port_, .path = "/ready"})->status, 503);
}

TEST(Probe, TellsThatNobodyListens) {
  async::asio::io_context context;
  tcp::acceptor acceptor(context, {async::asio::ip::make_address("127.0.0.1"), 0});
  const auto port = acceptor.local_endpoint().port();
  acceptor.close();
  const auto answer = ask({.port = port});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::io);
}

TEST(Probe, GivesUpOnAServerThatHangs) {
  async::asio::io_context context;
  tcp::acceptor acceptor(context, {async::asio::ip::make_address("127.0.0.1"), 0});
  const auto answer = ask({.port = acceptor.local_endpoint().port(), .timeout = 30ms});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::timeout);
}

}  // namespace
}  // namespace propeller::admin
