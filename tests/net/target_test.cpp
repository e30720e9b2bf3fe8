#include "net/target.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <thread>

#include "support/tls_files.hpp"

namespace propeller::net {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;

/// A WebSocket server for one client that sends back what it gets, in frames of the size given.
class Echo {
 public:
  explicit Echo(std::size_t frame_bytes) : frame_bytes_(frame_bytes), thread_([this] { serve(); }) {}
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string protocol() const { return protocol_; }
  void join() { thread_.join(); }

 private:
  void serve() {
    websocket::stream<tcp::socket> stream(acceptor_.accept());
    boost::system::error_code error;
    boost::beast::flat_buffer head;
    boost::beast::http::request<boost::beast::http::string_body> request;
    boost::beast::http::read(stream.next_layer(), head, request, error);
    protocol_ = request[boost::beast::http::field::sec_websocket_protocol];
    stream.set_option(websocket::stream_base::decorator([this](websocket::response_type& response) {
      response.set(boost::beast::http::field::sec_websocket_protocol, protocol_);
    }));
    stream.accept(request, error);
    stream.binary(true);
    stream.write_buffer_bytes(frame_bytes_);
    stream.auto_fragment(true);
    while (!error) {
      boost::beast::flat_buffer message;
      stream.read(message, error);
      if (!error) stream.write(message.data(), error);
    }
  }

  asio::io_context context_;
  tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  const std::size_t frame_bytes_;
  std::string protocol_;
  std::thread thread_;
};

async::awaitable<void> write_all(Target& target, std::string text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const auto written = co_await target.write_some(asio::buffer(text.data() + sent, text.size() - sent));
    if (written.error) co_return;
    sent += written.bytes;
  }
}

async::awaitable<void> read_all(Target& target, std::string& text, std::size_t size) {
  std::vector<char> part(10'000);
  while (text.size() < size) {
    const auto read = co_await target.read_some(asio::buffer(part));
    if (read.error) co_return;
    text.append(part.data(), read.bytes);
  }
  co_await target.finish();
}

// Fragments and frames of any size are only bytes to the one behind the tunnel.
TEST(WebSocketTarget, CarriesAStreamWhateverTheFramesAre) {
  for (const std::size_t frame_bytes : {16UL, 1000UL, 70'000UL}) {
    Echo echo(frame_bytes);
    asio::io_context context(1);
    tcp::socket socket(context);
    socket.connect({asio::ip::address_v4::loopback(), echo.port()});
    auto target =
        make_target(std::move(socket), {.host = "127.0.0.1",
                                        .port = echo.port(),
                                        .web_socket = WebSocketOptions{.path = "/mqtt", .subprotocol = "mqtt"}});
    ASSERT_TRUE(target);
    std::string sent(300'000, '\0'), received;
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 2654435761U >> 24);
    Result<void> greeted;
    const auto main = [&]() -> async::awaitable<void> {
      greeted = co_await (*target)->handshake();
      asio::co_spawn(context, write_all(**target, sent), asio::detached);
      co_await read_all(**target, received, sent.size());
      (*target)->close();
    };
    asio::co_spawn(context, main(), asio::detached);
    context.run();
    EXPECT_TRUE(greeted);
    EXPECT_TRUE(received == sent);
    echo.join();
    EXPECT_EQ(echo.protocol(), "mqtt");
  }
}

TEST(WebSocketTarget, AServerThatSaysNoIsQuotedWithItsStatus) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  std::jthread server([&] {
    auto socket = acceptor.accept();
    std::array<char, 4096> request{};
    boost::system::error_code ignored;
    socket.read_some(asio::buffer(request), ignored);
    asio::write(socket, asio::buffer(std::string_view("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")), ignored);
  });
  tcp::socket socket(context);
  socket.connect(acceptor.local_endpoint());
  auto target = make_target(
      std::move(socket),
      {.host = "127.0.0.1", .port = 80, .web_socket = WebSocketOptions{.path = "/", .subprotocol = "mqtt"}});
  Result<void> greeted;
  const auto main = [&]() -> async::awaitable<void> { greeted = co_await (*target)->handshake(); };
  asio::co_spawn(context, main(), asio::detached);
  context.run();
  ASSERT_FALSE(greeted);
  EXPECT_TRUE(greeted.error().detail.contains("403")) << greeted.error().detail;
}

TEST(TlsTarget, AFileThatIsNoCertificateIsABadConfiguration) {
  const support::TlsFiles files;
  asio::io_context context(1);
  for (const auto& tls : {TlsOptions{.ca_cert = files.server_key()}, TlsOptions{.ca_cert = "/nonexistent"},
                          TlsOptions{.client_cert = files.client_key()}, TlsOptions{.client_key = files.ca()}}) {
    const auto target = make_target(tcp::socket(context), {.host = "h", .port = 1, .tls = tls});
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().code, Code::bad_config);
  }
}

}  // namespace
}  // namespace propeller::net
