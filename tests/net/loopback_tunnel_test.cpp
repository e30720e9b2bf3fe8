#include "net/loopback_tunnel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "base/base64.hpp"
#include "net/dial.hpp"
#include "support/environment.hpp"

namespace propeller::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

/// A target that listens, and a caller that knows the way, both with plain blocking sockets.
class TunnelTest : public testing::Test {
 protected:
  TunnelOptions options() {
    return {.target = {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port()},
            .connect_timeout = 5s,
            .buffer_bytes_max = 1 << 20};
  }
  tcp::socket accept() { return acceptor_.accept(); }

  /// Sends CONNECT with the credentials of the URL ("http://user:secret@127.0.0.1:port").
  tcp::socket call(const std::string& url, const std::string& credentials = {}) {
    const auto at = url.find('@');
    const auto colon = url.rfind(':');
    const std::string plain = credentials.empty() ? url.substr(7, at - 7) : credentials;
    std::string encoded(base::base64_size(plain.size()), '\0');
    base::base64_encode(std::as_bytes(std::span(plain)), encoded.data());
    tcp::socket socket(context_);
    socket.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1)))});
    const std::string head =
        "CONNECT broker:1883 HTTP/1.1\r\nHost: broker\r\nProxy-authorization: Basic " + encoded + "\r\n\r\n";
    asio::write(socket, asio::buffer(head));
    read_text(socket, std::string("HTTP/1.1 200 Connected\r\n\r\n").size());
    return socket;
  }
  static std::string read_text(tcp::socket& socket, std::size_t size) {
    std::string text(size, '\0');
    boost::system::error_code error;
    text.resize(asio::read(socket, asio::buffer(text), error));
    return text;
  }

  asio::io_context context_;
  tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
};

TEST_F(TunnelTest, CarriesBytesBothWays) {
  LoopbackTunnel tunnel(options());
  ASSERT_TRUE(tunnel.open());
  auto target = accept();
  auto caller = call(tunnel.proxy_url("http"));
  asio::write(caller, asio::buffer("ping", 4));
  EXPECT_EQ(read_text(target, 4), "ping");
  asio::write(target, asio::buffer("pong", 4));
  EXPECT_EQ(read_text(caller, 4), "pong");
  EXPECT_EQ(tunnel.bytes_passed(), 4u);
}

TEST_F(TunnelTest, NotAByteOfACallerWithoutTheSecretReachesTheTarget) {
  LoopbackTunnel tunnel(options());
  ASSERT_TRUE(tunnel.open());
  auto target = accept();
  auto stranger = call(tunnel.proxy_url("http"), "tunnel:guess");
  boost::system::error_code ignored;
  asio::write(stranger, asio::buffer("evil", 4), ignored);
  EXPECT_EQ(read_text(stranger, 1), "");
  auto caller = call(tunnel.proxy_url("http"));
  asio::write(caller, asio::buffer("good", 4));
  EXPECT_EQ(read_text(target, 4), "good");
}

TEST_F(TunnelTest, IsClosedBehindTheFirstCaller) {
  LoopbackTunnel tunnel(options());
  ASSERT_TRUE(tunnel.open());
  auto target = accept();
  auto caller = call(tunnel.proxy_url("http"));
  asio::write(caller, asio::buffer("x", 1));
  EXPECT_EQ(read_text(target, 1), "x");
  EXPECT_THROW(call(tunnel.proxy_url("http")), boost::system::system_error);
}

TEST_F(TunnelTest, TheEndOfOneSideReachesTheOtherAfterAllItsBytes) {
  LoopbackTunnel tunnel(options());
  ASSERT_TRUE(tunnel.open());
  auto target = accept();
  auto caller = call(tunnel.proxy_url("http"));
  asio::write(caller, asio::buffer("bye", 3));
  caller.shutdown(tcp::socket::shutdown_send);
  EXPECT_EQ(read_text(target, 100), "bye");
  asio::write(target, asio::buffer("still here", 10));
  target.close();
  EXPECT_EQ(read_text(caller, 100), "still here");
}

// Paho C sleeps for up to a second when its socket is full: the tunnel has to take what is in flight, and no more.
TEST_F(TunnelTest, TakesItsBufferFullWhileTheTargetDoesNotReadAndThenAllOfItArrivesInOrder) {
  auto with_room = options();
  with_room.buffer_bytes_max = 8 << 20;
  LoopbackTunnel tunnel(with_room);
  ASSERT_TRUE(tunnel.open());
  auto target = accept();
  auto caller = call(tunnel.proxy_url("http"));
  std::string block(64 * 1024, '\0');
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 31 + i / 251);
  caller.non_blocking(true);
  std::size_t sent = 0;
  boost::system::error_code error;
  const auto push = [&] {
    for (error = {}; !error;)
      sent += caller.write_some(asio::buffer(block.data() + sent % block.size(), block.size() - sent % block.size()),
                                error);
    return sent >= with_room.buffer_bytes_max;
  };
  EXPECT_TRUE(support::wait_until(push));
  // Bounded: what it takes does not grow any more, whatever the kernel holds beside.
  std::size_t before = 0;
  EXPECT_TRUE(support::wait_until([&] {
    before = sent;
    push();
    return sent == before;
  }));
  EXPECT_LT(sent, std::size_t{128} << 20);
  caller.shutdown(tcp::socket::shutdown_send);
  std::size_t arrived = 0;
  bool is_in_order = true;
  for (std::string part(64 * 1024, '\0');;) {
    const std::size_t size = target.read_some(asio::buffer(part), error);
    if (error) break;
    for (std::size_t i = 0; i < size; ++i) is_in_order = is_in_order && part[i] == block[(arrived + i) % block.size()];
    arrived += size;
  }
  EXPECT_EQ(arrived, sent);
  EXPECT_TRUE(is_in_order);
}

// The first version lost its place when the target read slowly and the caller wrote on: see ByteQueue.
TEST_F(TunnelTest, BytesStayInOrderWhileBothSidesAreBusy) {
  LoopbackTunnel tunnel(options());
  ASSERT_TRUE(tunnel.open());
  auto target = accept();
  auto caller = call(tunnel.proxy_url("http"));
  constexpr std::size_t kWords = 16 << 20;
  std::jthread writer([&] {
    std::vector<std::uint32_t> words(100'003);
    std::uint32_t next = 0;
    while (next < kWords) {
      const std::size_t count = std::min<std::size_t>(words.size(), kWords - next);
      for (std::size_t i = 0; i < count; ++i) words[i] = next++;
      asio::write(caller, asio::buffer(words.data(), count * sizeof(std::uint32_t)));
    }
  });
  std::vector<std::uint32_t> words(1024);
  std::uint32_t expected = 0;
  bool is_in_order = true;
  while (expected < kWords && is_in_order) {
    asio::read(target, asio::buffer(words));
    for (const auto word : words) is_in_order = is_in_order && word == expected++;
  }
  EXPECT_TRUE(is_in_order);
}

TEST_F(TunnelTest, ATargetThatRefusesIsAnErrorWithItsReason) {
  auto refused = options();
  acceptor_.close();
  LoopbackTunnel tunnel(refused);
  const auto opened = tunnel.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::disconnected);
  EXPECT_TRUE(opened.error().detail.contains("refused")) << opened.error().detail;
}

TEST_F(TunnelTest, AHostWithoutAnAddressIsAnErrorThatNamesIt) {
  auto nowhere = options();
  nowhere.target.host = "broker.invalid";
  LoopbackTunnel tunnel(nowhere);
  const auto opened = tunnel.open();
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().detail.contains("broker.invalid")) << opened.error().detail;
}

/// Nobody accepts and the backlog is full: a connect() that hangs, on loopback.
class FullBacklog {
 public:
  explicit FullBacklog(asio::io_context& context) : acceptor_(context) {
    acceptor_.open(tcp::v4());
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen(0);
    for (int i = 0; i < 4; ++i) {
      auto& socket = waiting_.emplace_back(context);
      socket.open(tcp::v4());
      socket.non_blocking(true);
      const auto here = acceptor_.local_endpoint();
      ::connect(socket.native_handle(), here.data(), static_cast<socklen_t>(here.size()));
    }
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> waiting_;
};

TEST_F(TunnelTest, AConnectThatHangsEndsWithItsTimeout) {
  const FullBacklog full(context_);
  LoopbackTunnel tunnel({.target = {.host = "127.0.0.1", .port = full.port()}, .connect_timeout = 200ms});
  const auto opened = tunnel.open();
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().detail.contains("timed out")) << opened.error().detail;
}

TEST_F(TunnelTest, CancelEndsAConnectThatHangs) {
  const FullBacklog full(context_);
  LoopbackTunnel tunnel({.target = {.host = "127.0.0.1", .port = full.port()}, .connect_timeout = 10min});
  std::jthread canceller([&] { tunnel.cancel(); });
  EXPECT_FALSE(tunnel.open());
}

TEST_F(TunnelTest, TheNextAddressIsTriedWhenOneDoesNotAnswer) {
  const FullBacklog full(context_);
  tcp::socket socket(context_);
  const std::vector<tcp::endpoint> addresses{{asio::ip::address_v4::loopback(), full.port()},
                                             acceptor_.local_endpoint()};
  ASSERT_TRUE(connect_any(socket, addresses, std::chrono::steady_clock::now() + 2s, [] { return false; }));
  EXPECT_EQ(socket.remote_endpoint(), acceptor_.local_endpoint());
}

TEST_F(TunnelTest, GoesAwayWhileBytesAreOnTheirWay) {
  auto tunnel = std::make_unique<LoopbackTunnel>(options());
  ASSERT_TRUE(tunnel->open());
  auto target = accept();
  auto caller = call(tunnel->proxy_url("http"));
  asio::write(caller, asio::buffer(std::string(100'000, 'x')));
  tunnel.reset();
  boost::system::error_code error;
  std::array<char, 1024> part{};
  while (!error) target.read_some(asio::buffer(part), error);
  EXPECT_TRUE(error);
}

}  // namespace
}  // namespace propeller::net
