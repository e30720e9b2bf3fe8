#include "net/tcp_stream.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <fstream>

#include "async/task_group.hpp"
#include "base/file_descriptor.hpp"
#include "net/loopback.hpp"
#include "support/environment.hpp"

namespace propeller::net {
namespace {

using namespace std::string_view_literals;
using Time = std::chrono::steady_clock;

TEST(TcpStream, ManyPartsLargerThanEveryBufferArriveInOrder) {
  Loop loop;
  auto pair = connected_pair(loop);
  const std::string large = pattern(3'000'001);
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at < large.size(); at += 100'003)
    parts.push_back(std::string_view(large).substr(at, 100'003));
  parts.insert(parts.begin() + 5, ""sv);
  std::string received;
  const auto send = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.client->write(parts));
    EXPECT_TRUE(co_await pair.client->shutdown_write());
  };
  const auto receive = [&]() -> awaitable<void> { received = co_await read_all(*pair.server); };
  loop.spawn(send());
  loop.run(receive());
  EXPECT_TRUE(received == large);
}

TEST(TcpStream, HalfCloseLeavesTheOtherDirectionOpen) {
  Loop loop;
  auto pair = connected_pair(loop);
  std::string answer;
  const auto client = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.client->write("question"));
    EXPECT_TRUE(co_await pair.client->shutdown_write());
    answer = co_await read_all(*pair.client);
  };
  const auto server = [&]() -> awaitable<void> {
    const auto question = co_await read_all(*pair.server);
    EXPECT_TRUE(co_await pair.server->write(question + " answered"));
    EXPECT_TRUE(co_await pair.server->shutdown_write());
  };
  loop.spawn(client());
  loop.run(server());
  EXPECT_EQ(answer, "question answered");
}

TEST(TcpStream, UnreadBytesComeFirstAndInTheOrderTheyHadBefore) {
  Loop loop;
  auto pair = connected_pair(loop);
  std::string text;
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.client->write("defg"));
    pair.server->unread("c");
    pair.server->unread("ab");
    EXPECT_TRUE(pair.server->has_input());
    EXPECT_TRUE(co_await pair.server->wait_input());
    std::array<char, 2> room{};
    while (text.size() < 7) {
      const auto got = co_await pair.server->read_some(room);
      text.append(room.data(), got.value());
    }
  };
  loop.run(talk());
  EXPECT_EQ(text, "abcdefg");
}

TEST(TcpStream, AReadThatGetsNothingTimesOutAndAWriteMayGoOnMeanwhile) {
  Loop loop;
  auto pair = connected_pair(loop);
  pair.server->set_timeouts({.read = 50ms, .write = 10s});
  Result<void> end, written;
  std::string received;
  const std::string large = pattern(20'000'000);
  const auto began = Time::now();
  Time::duration took{};
  const auto read = [&]() -> awaitable<void> {
    co_await read_all(*pair.server, &end);
    took = Time::now() - began;
  };
  // The write waits for room when the read times out: asio wakes both, and only the one may give up.
  const auto write = [&]() -> awaitable<void> { written = co_await pair.server->write(large); };
  const auto drain = [&]() -> awaitable<void> {
    co_await async::sleep_for(120ms);
    received = co_await read_all(*pair.client, nullptr, large.size());
  };
  loop.spawn(read());
  loop.spawn(write());
  loop.run(drain());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::timeout);
  EXPECT_EQ(end.error().origin, Origin::client);
  EXPECT_GE(took, 50ms);
  EXPECT_LT(took, 5s);
  EXPECT_TRUE(written);
  EXPECT_TRUE(received == large);
}

TEST(TcpStream, AWriteThatNobodyTakesTimesOut) {
  Loop loop;
  auto pair = connected_pair(loop);
  pair.server->set_timeouts({.read = 10s, .write = 60ms});
  Result<void> written;
  const std::string large(20'000'000, 'x');
  const auto write = [&]() -> awaitable<void> { written = co_await pair.server->write(large); };
  loop.run(write());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::timeout);
}

// A peer that sends a byte now and then keeps every wait short, and must not hold a request head for ever.
TEST(TcpStream, TheReadDeadlineCountsHoweverManyBytesTrickle) {
  Loop loop;
  auto pair = connected_pair(loop);
  Result<void> end;
  bool is_over = false;
  const auto trickle = [&]() -> awaitable<void> {
    while (!is_over && co_await pair.client->write("x")) co_await async::sleep_for(5ms);
  };
  const auto read = [&]() -> awaitable<void> {
    pair.server->set_read_deadline(Time::now() + 80ms);
    const auto text = co_await read_all(*pair.server, &end);
    EXPECT_GE(text.size(), 2u);
    is_over = true;
  };
  loop.spawn(trickle());
  loop.run(read());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::timeout);
}

TEST(TcpStream, CloseWakesWhoeverWaitsWithCancelled) {
  Loop loop;
  auto pair = connected_pair(loop);
  Result<void> end;
  const auto read = [&]() -> awaitable<void> { co_await read_all(*pair.server, &end); };
  const auto close = [&]() -> awaitable<void> {
    co_await async::sleep_for(5ms);
    pair.server->close();
  };
  loop.spawn(read());
  loop.run(close());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::cancelled);
  EXPECT_FALSE(pair.server->try_write(std::array{"x"sv}));
  EXPECT_TRUE(pair.server->has_input());
}

TEST(TcpStream, ResetIsSeenAsABrokenConnection) {
  Loop loop;
  auto pair = connected_pair(loop);
  Result<void> end;
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.server->write("half of it"));
    pair.server->reset();
    co_await read_all(*pair.client, &end);
  };
  loop.run(talk());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::connection_reset);
  EXPECT_EQ(end.error().origin, Origin::upstream);
}

TEST(TcpStream, CancellationOfTheTaskUnwindsIt) {
  Loop loop;
  auto pair = connected_pair(loop);
  async::TaskGroup group(loop.executor());
  bool returned = false;
  const auto read = [&]() -> awaitable<void> {
    co_await read_all(*pair.server);
    returned = true;
  };
  const auto main = [&]() -> awaitable<void> {
    group.spawn(read());
    co_await async::sleep_for(5ms);
    group.cancel();
    co_await group.join();
  };
  loop.run(main());
  EXPECT_FALSE(returned);
  EXPECT_EQ(group.size(), 0u);
}

TEST(TcpStream, HasInputTellsDataAndTheEndFromSilence) {
  Loop loop;
  auto pair = connected_pair(loop);
  EXPECT_FALSE(pair.server->has_input());
  const auto talk = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.client->write("x"));
    EXPECT_TRUE(co_await pair.server->wait_input());
    EXPECT_TRUE(pair.server->has_input());
    std::array<char, 8> room{};
    EXPECT_EQ((co_await pair.server->read_some(room)).value(), 1u);
    EXPECT_FALSE(pair.server->has_input());
    pair.client->close();
    EXPECT_TRUE(co_await pair.server->wait_input());
    EXPECT_TRUE(pair.server->has_input());
    EXPECT_EQ((co_await pair.server->read_some(room)).value(), 0u);
    EXPECT_EQ((co_await pair.server->read_some(room)).value(), 0u);
  };
  loop.run(talk());
}

TEST(TcpStream, SendFileSendsTheRangeAndSaysWhenTheFileIsTooShort) {
  Loop loop;
  auto pair = connected_pair(loop);
  const support::TempDir directory;
  const auto path = directory / "file";
  const std::string content = pattern(5'000'000);
  std::ofstream(path, std::ios::binary) << content;
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string received;
  const auto send = [&]() -> awaitable<void> {
    EXPECT_TRUE(co_await pair.server->send_file(file.get(), 1000, 4'500'000));
    const auto beyond = co_await pair.server->send_file(file.get(), 4'999'990, 11);
    EXPECT_EQ(beyond.error().code, Code::io);
    pair.server->close();
  };
  const auto receive = [&]() -> awaitable<void> { received = co_await read_all(*pair.client); };
  loop.spawn(send());
  loop.run(receive());
  ASSERT_EQ(received.size(), 4'500'010u);
  EXPECT_TRUE(received.substr(0, 4'500'000) == content.substr(1000, 4'500'000));
}

TEST(Listener, AnAddressInUseIsNamed) {
  Loop loop;
  Listener first(loop.executor()), second(loop.executor());
  ASSERT_TRUE(first.open({asio::ip::address_v4::loopback(), 0}));
  const auto free = check_is_free(first.address());
  ASSERT_FALSE(free);
  EXPECT_EQ(free.error().code, Code::bad_config);
  EXPECT_TRUE(free.error().detail.contains(std::to_string(first.address().port()))) << free.error().detail;
  // Our own cores share it.
  EXPECT_TRUE(second.open(first.address()));
}

TEST(Listener, OutOfDescriptorsItPausesAndTheCallersGetTheirTurnLater) {
  Loop loop;
  Listener listener(loop.executor());
  ASSERT_TRUE(listener.open({asio::ip::address_v4::loopback(), 0}));
  auto client = connect_to(loop.context, listener.address());
  std::vector<base::FileDescriptor> hogs;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit low = before;
  low.rlim_cur = 200;
  ::setrlimit(RLIMIT_NOFILE, &low);
  for (int taken = ::dup(0); taken >= 0; taken = ::dup(0)) hogs.emplace_back(taken);
  std::unique_ptr<TcpStream> accepted;
  const auto accept = [&]() -> awaitable<void> { accepted = (co_await listener.accept()).value(); };
  const auto release = [&]() -> awaitable<void> {
    while (listener.pauses() < 2) co_await async::sleep_for(5ms);
    hogs.clear();
  };
  loop.spawn(accept());
  loop.run(release());
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(accepted);
  // It did not spin: a pause is 50 ms long.
  EXPECT_LE(listener.pauses(), 20u);
}

TEST(Listener, CloseEndsAccept) {
  Loop loop;
  Listener listener(loop.executor());
  ASSERT_TRUE(listener.open({asio::ip::address_v4::loopback(), 0}));
  Code code{};
  const auto accept = [&]() -> awaitable<void> { code = (co_await listener.accept()).error().code; };
  const auto close = [&]() -> awaitable<void> {
    co_await async::sleep_for(2ms);
    listener.close();
  };
  loop.spawn(accept());
  loop.run(close());
  EXPECT_EQ(code, Code::cancelled);
}

awaitable<void> echo_once(std::unique_ptr<TcpStream> stream, int& served) {
  std::array<char, 64> room{};
  const auto got = co_await stream->read_some(room);
  if (got && co_await stream->write({room.data(), *got})) ++served;
}

awaitable<void> ask_once(asio::io_context& context, const tcp::endpoint& address, int& answered) {
  auto stream = connect_to(context, address);
  std::array<char, 64> room{};
  if (!co_await stream->write("hello")) co_return;
  const auto got = co_await stream->read_some(room);
  if (got && std::string_view(room.data(), *got) == "hello") ++answered;
}

TEST(Listener, ServesThousandsOfConnectionsAtOnce) {
  constexpr int kConnections = 2000;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 2 * kConnections + 500);
  ::setrlimit(RLIMIT_NOFILE, &files);
  Loop loop;
  Listener listener(loop.executor());
  ASSERT_TRUE(listener.open({asio::ip::address_v4::loopback(), 0}));
  int served = 0, answered = 0;
  const auto serve = [&]() -> awaitable<void> {
    for (int i = 0; i < kConnections; ++i) loop.spawn(echo_once((co_await listener.accept()).value(), served));
  };
  loop.spawn(serve());
  for (int i = 0; i < kConnections; ++i) loop.spawn(ask_once(loop.context, listener.address(), answered));
  loop.run();
  EXPECT_EQ(served, kConnections);
  EXPECT_EQ(answered, kConnections);
}

}  // namespace
}  // namespace propeller::net
