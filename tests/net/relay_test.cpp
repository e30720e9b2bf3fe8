#include "net/relay.hpp"

#include <gtest/gtest.h>

#include "async/task_group.hpp"
#include "net/loopback.hpp"

namespace propeller::net {
namespace {

/// client <-> (left, right) <-> origin
struct Tunnel {
  Loop loop;
  Pair left = connected_pair(loop), right = connected_pair(loop);
  Stream& client = *left.client;
  Stream& origin = *right.server;
  RelayBytes bytes;
  Result<void> outcome;
  bool is_over = false;

  awaitable<void> run(RelayOptions options = {}) {
    outcome = co_await relay(*left.server, *right.client, options, bytes);
    is_over = true;
  }
};

TEST(Relay, CarriesBothWaysWithHalfCloseAndCounts) {
  Tunnel tunnel;
  const std::string question = pattern(1'500'000), answer = pattern(3'000'000);
  std::string asked, answered;
  const auto client = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await tunnel.client.write(question));
    EXPECT_TRUE(co_await tunnel.client.shutdown_write());
    answered = co_await read_all(tunnel.client);
  };
  const auto origin = [&]() -> awaitable<void> {
    asked = co_await read_all(tunnel.origin);
    EXPECT_TRUE(co_await tunnel.origin.write(answer));
    tunnel.origin.close();
  };
  tunnel.loop.spawn(client());
  tunnel.loop.spawn(origin());
  tunnel.loop.run(tunnel.run());
  EXPECT_TRUE(asked == question);
  EXPECT_TRUE(answered == answer);
  EXPECT_TRUE(tunnel.outcome);
  EXPECT_EQ(tunnel.bytes.to_right, question.size());
  EXPECT_EQ(tunnel.bytes.to_left, answer.size());
}

TEST(Relay, AResetOfOneSideIsAResetForTheOther) {
  Tunnel tunnel;
  Result<void> end;
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await tunnel.origin.write("half of it"));
    std::string room(100, '\0');
    EXPECT_TRUE(co_await tunnel.client.read_some(room));
    tunnel.origin.reset();
    co_await read_all(tunnel.client, &end);
  };
  tunnel.loop.spawn(talk());
  tunnel.loop.run(tunnel.run());
  EXPECT_EQ(end.error().code, Code::connection_reset);
  EXPECT_EQ(tunnel.outcome.error().code, Code::connection_reset);
  EXPECT_EQ(tunnel.outcome.error().origin, Origin::upstream);
}

TEST(Relay, IsOverWhenNothingMovesInEitherDirection) {
  Tunnel tunnel;
  tunnel.loop.run(tunnel.run({.idle_timeout = 40ms}));
  EXPECT_EQ(tunnel.outcome.error().code, Code::timeout);
}

// A download with nothing to say for the client is not idle.
TEST(Relay, OneDirectionKeepsTheOtherAlive) {
  Tunnel tunnel;
  std::string received;
  const auto trickle = [&]() -> awaitable<void> {
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(co_await tunnel.origin.write("x"));
      co_await async::sleep_for(20ms);
    }
    tunnel.origin.close();
    tunnel.client.close();
  };
  tunnel.loop.spawn(trickle());
  tunnel.loop.run(tunnel.run({.idle_timeout = 150ms}));
  EXPECT_EQ(tunnel.bytes.to_left, 20u);
}

TEST(Relay, ReadsOnlyAsFastAsTheOtherSideTakes) {
  Tunnel tunnel;
  const std::string large(64'000'000, 'x');
  Result<void> written;
  tunnel.client.set_timeouts({.read = 5s, .write = 200ms});
  const auto flood = [&]() -> awaitable<void> {
    written = co_await tunnel.client.write(large);
    tunnel.client.reset();
    tunnel.origin.reset();
  };
  tunnel.loop.spawn(flood());
  tunnel.loop.run(tunnel.run());
  EXPECT_EQ(written.error().code, Code::timeout);
  EXPECT_LT(tunnel.bytes.to_right, large.size() / 2);
}

TEST(Relay, CancellationEndsBothDirections) {
  Tunnel tunnel;
  async::TaskGroup group(tunnel.loop.executor());
  Result<void> end;
  const auto main = [&]() -> awaitable<void> {
    group.spawn(tunnel.run());
    co_await async::sleep_for(5ms);
    group.cancel();
    co_await group.join();
    co_await read_all(tunnel.client, &end);
  };
  tunnel.loop.run(main());
  EXPECT_FALSE(tunnel.is_over);
  EXPECT_EQ(end.error().code, Code::connection_reset);
}

}  // namespace
}  // namespace propeller::net
