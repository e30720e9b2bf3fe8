#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "async/event.hpp"
#include "net/listener.hpp"
#include "net/tcp_stream.hpp"

namespace propeller::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using async::awaitable;
using namespace std::chrono_literals;

/// Runs coroutines on a core of the test's own thread, until all of them have ended or `patience` is over.
class Loop {
 public:
  asio::io_context context{1};
  asio::any_io_executor executor() { return context.get_executor(); }

  void spawn(awaitable<void> task) {
    asio::co_spawn(context, std::move(task), [this](const std::exception_ptr& error) {
      --left_;
      if (error) std::rethrow_exception(error);
    });
    ++left_;
  }
  /// Runs what was spawned; a failure of the test when it does not end.
  void run(std::chrono::seconds patience = 20s) {
    context.restart();
    const auto until = std::chrono::steady_clock::now() + patience;
    while (left_ > 0 && std::chrono::steady_clock::now() < until) context.run_one_until(until);
    EXPECT_EQ(left_, 0) << "a coroutine waits for ever";
  }
  void run(awaitable<void> task) {
    spawn(std::move(task));
    run();
  }

 private:
  int left_ = 0;
};

/// Both ends of a connection over loopback.
struct Pair {
  std::unique_ptr<TcpStream> server, client;
};

inline std::unique_ptr<TcpStream> connect_to(asio::io_context& context, const tcp::endpoint& address) {
  tcp::socket socket(context);
  socket.connect(address);
  socket.non_blocking(true);
  socket.set_option(tcp::no_delay(true));
  return std::make_unique<TcpStream>(std::move(socket), address, Origin::upstream);
}

inline Pair connected_pair(Loop& loop) {
  Listener listener(loop.executor());
  EXPECT_TRUE(listener.open({asio::ip::address_v4::loopback(), 0}));
  Pair pair;
  pair.client = connect_to(loop.context, listener.address());
  const auto accept = [&]() -> awaitable<void> {
    auto accepted = co_await listener.accept();
    if (accepted) pair.server = std::move(*accepted);
  };
  loop.run(accept());
  EXPECT_TRUE(pair.server);
  return pair;
}

/// Reads until the end or an error, which goes to `end`; at most `bytes_max` bytes.
inline awaitable<std::string> read_all(Stream& stream, Result<void>* end = nullptr,
                                       std::size_t bytes_max = std::string::npos) {
  std::string all;
  std::string room(16 * 1024, '\0');
  while (all.size() < bytes_max) {
    const auto got = co_await stream.read_some(room);
    if (!got && end != nullptr) *end = std::unexpected(got.error());
    if (!got || *got == 0) break;
    all.append(room, 0, *got);
  }
  co_return all;
}

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 2654435761U >> 24);
  return text;
}

}  // namespace propeller::net
