#include <gtest/gtest.h>

#include <deque>

#include "http/client_fixture.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A body that the test's thread feeds through the core, as a client would.
class FedBody final : public BodySource {
 public:
  struct Feed {
    explicit Feed(const async::asio::any_io_executor& executor) : event(executor) {}
    std::deque<std::string> pieces;
    bool is_ended = false, is_broken = false, is_gone = false;
    async::Event event;
  };
  FedBody(std::shared_ptr<Feed> feed, std::optional<std::uint64_t> length) : feed_(std::move(feed)), length_(length) {}
  ~FedBody() override { feed_->is_gone = true; }
  awaitable<Result<std::string_view>> read(std::size_t) override {
    while (feed_->pieces.empty() && !feed_->is_ended && !feed_->is_broken) co_await feed_->event.wait();
    if (feed_->is_broken) co_return fail(Code::connection_reset, Origin::client, "the client left");
    if (feed_->pieces.empty()) co_return std::string_view();
    piece_ = std::move(feed_->pieces.front());
    feed_->pieces.pop_front();
    co_return piece_;
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  std::shared_ptr<Feed> feed_;
  std::optional<std::uint64_t> length_;
  std::string piece_;
};

class ClientBody : public testing::Test {
 protected:
  std::future<Outcome> post(std::optional<std::uint64_t> length = std::nullopt) {
    return bench_.ask(upstream_.port(), {.method = "POST", .body = std::make_unique<FedBody>(feed_, length)});
  }
  void feed(const std::string& piece) {
    bench_.run([&] {
      feed_->pieces.push_back(piece);
      feed_->event.notify_all();
    });
  }
  void set(bool FedBody::Feed::* flag) {
    bench_.run([&] {
      (*feed_).*flag = true;
      feed_->event.notify_all();
    });
  }

  ClientBench bench_;
  PeerListener upstream_;
  std::shared_ptr<FedBody::Feed> feed_ = std::make_shared<FedBody::Feed>(bench_.core().executor());
};

TEST_F(ClientBody, InMemoryGoesWithTheHead) {
  auto outcome = bench_.ask(upstream_.port(), {.method = "PUT", .body = std::make_unique<MemoryBody>("hello")});
  Peer peer = upstream_.accept();
  EXPECT_TRUE(peer.read_head().contains("\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(peer.read(5), "hello");
  peer.send(kOk);
  EXPECT_EQ(outcome.get().status, 200);
  EXPECT_EQ(bench_.idle(), 1u);
}

TEST_F(ClientBody, WithoutBytesHasALengthWhereOneIsExpected) {
  auto outcome = bench_.ask(upstream_.port(), {.method = "POST"});
  Peer peer = upstream_.accept();
  EXPECT_TRUE(peer.read_head().contains("\r\nContent-Length: 0\r\n"));
  peer.send(kOk);
  outcome.get();
}

TEST_F(ClientBody, IsSentAsItComes) {
  auto outcome = post();
  Peer peer = upstream_.accept();
  EXPECT_TRUE(peer.read_head().contains("\r\nTransfer-Encoding: chunked\r\n"));
  feed("abc");
  EXPECT_EQ(peer.read_until("abc\r\n"), "3\r\nabc\r\n");
  feed("defg");
  EXPECT_EQ(peer.read_until("defg\r\n"), "4\r\ndefg\r\n");
  set(&FedBody::Feed::is_ended);
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "0\r\n\r\n");
  peer.send(kOk);
  EXPECT_EQ(outcome.get().body, "ok");
  EXPECT_EQ(bench_.idle(), 1u);
}

TEST_F(ClientBody, GoesOnWhileTheResponseComes) {
  auto outcome = post();
  Peer peer = upstream_.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
  feed("abc");
  EXPECT_EQ(peer.read_until("abc\r\n"), "3\r\nabc\r\n");
  peer.send("3\r\nyou\r\n");
  set(&FedBody::Feed::is_ended);
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "0\r\n\r\n");
  peer.send("0\r\n\r\n");
  EXPECT_EQ(outcome.get().body, "hiyou");
  EXPECT_EQ(bench_.idle(), 1u);
}

TEST_F(ClientBody, ThatIsRefusedEarlyStopsAndTheConnectionIsNotUsedAgain) {
  auto outcome = post();
  Peer peer = upstream_.accept();
  peer.read_head();
  peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(outcome.get().status, 413);
  EXPECT_EQ(bench_.idle(), 0u);
  bench_.run([&] { bench_.tasks().cancel(); });
  EXPECT_TRUE(peer.is_ended());
  while (!bench_.run([&] { return feed_->is_gone; })) std::this_thread::yield();
  EXPECT_EQ(bench_.open(), 0u);
}

// The upstream must not take what came for the whole.
TEST_F(ClientBody, ThatBreaksBreaksTheRequest) {
  auto outcome = post();
  Peer peer = upstream_.accept();
  peer.read_head();
  feed("abc");
  EXPECT_EQ(peer.read_until("abc\r\n"), "3\r\nabc\r\n");
  set(&FedBody::Feed::is_broken);
  const Outcome got = outcome.get();
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->origin, Origin::client);
  EXPECT_EQ(peer.read_all(), "");
  EXPECT_TRUE(peer.was_reset());
}

TEST_F(ClientBody, ShorterThanItSaidBreaksTheRequest) {
  auto outcome = post(5);
  Peer peer = upstream_.accept();
  peer.read_head();
  feed("abc");
  set(&FedBody::Feed::is_ended);
  EXPECT_EQ(outcome.get().error->code, Code::protocol_error);
  peer.read_all();
  EXPECT_TRUE(peer.was_reset());
}

TEST_F(ClientBody, IsNotSentTwice) {
  auto first = bench_.ask(upstream_.port());
  Peer peer = upstream_.accept();
  peer.read_head();
  peer.send(kOk);
  first.get();
  auto put = bench_.ask(upstream_.port(), {.method = "PUT", .body = std::make_unique<FedBody>(feed_, 3)});
  peer.read_head();
  peer.close();
  EXPECT_EQ(put.get().error->code, Code::connection_reset);
  EXPECT_EQ(bench_.connector.connects, 1);
}

TEST(ClientAnswer, IsNoneThatIsInterim) {
  ClientBench bench({.first_byte_timeout = 60ms});
  PeerListener upstream;
  auto feed = std::make_shared<FedBody::Feed>(bench.core().executor());
  auto outcome = bench.ask(upstream.port(), {.method = "POST", .body = std::make_unique<FedBody>(feed, 3)});
  Peer peer = upstream.accept();
  peer.read_head();
  peer.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(peer.is_silent(50));
  bench.run([&] {
    feed->pieces.emplace_back("abc");
    feed->is_ended = true;
    feed->event.notify_all();
  });
  EXPECT_EQ(peer.read(3), "abc");
  EXPECT_EQ(outcome.get().error->code, Code::timeout);
}

TEST(ClientAnswer, IsDueSoLongAfterTheEndOfTheBody) {
  ClientBench bench({.first_byte_timeout = 60ms});
  PeerListener upstream;
  auto feed = std::make_shared<FedBody::Feed>(bench.core().executor());
  auto outcome = bench.ask(upstream.port(), {.method = "POST", .body = std::make_unique<FedBody>(feed, 3)});
  Peer peer = upstream.accept();
  peer.read_head();
  EXPECT_TRUE(peer.is_silent(150)) << "the time runs only when the body was sent";
  bench.run([&] {
    feed->pieces.emplace_back("abc");
    feed->is_ended = true;
    feed->event.notify_all();
  });
  EXPECT_EQ(peer.read(3), "abc");
  EXPECT_EQ(outcome.get().error->code, Code::timeout);
}

}  // namespace
}  // namespace propeller::http
