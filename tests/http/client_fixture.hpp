#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <memory>
#include <string>

#include "async/core.hpp"
#include "http/client.hpp"
#include "http/peer.hpp"
#include "net/tcp_stream.hpp"

namespace propeller::http {

/// Connects to loopback, to the port of the destination.
class LoopbackConnector final : public Connector {
 public:
  awaitable<Result<std::unique_ptr<net::Stream>>> connect(const Destination& destination) override {
    using async::asio::ip::tcp;
    ++connects;
    tcp::socket socket(co_await async::asio::this_coro::executor);
    const tcp::endpoint address(async::asio::ip::address_v4::loopback(), destination.port);
    boost::system::error_code error;
    socket.open(tcp::v4(), error);
    socket.non_blocking(true, error);
    co_await socket.async_connect(address, async::asio::redirect_error(async::asio::use_awaitable, error));
    if (error) co_return fail(Code::connection_refused, Origin::upstream, error.message());
    socket.set_option(tcp::no_delay(true), error);
    co_return std::make_unique<net::TcpStream>(std::move(socket), address, Origin::upstream);
  }
  std::atomic<int> connects = 0;
};

/// What a request came to, read to its end.
struct Outcome {
  int status = 0;
  Version version = Version::http_1_1;
  std::string reason, body, trailer, field;
  std::optional<std::uint64_t> length;
  std::optional<Error> error;       ///< of the head
  std::optional<Error> body_error;  ///< of the body
  bool is_reused = false;
};

/// Keeps the informational responses.
class Hints final : public InformationalSink {
 public:
  awaitable<Result<void>> send_informational(int status, FieldView fields) override {
    statuses += std::to_string(status) + fields.joined("link") + " ";
    co_return Result<void>{};
  }
  std::string statuses;
};

/// A Client on a core of its own; the test's thread plays the upstream.
class ClientBench {
 public:
  explicit ClientBench(ClientLimits limits = {})
      : client(core_.executor(), connector, limits), tasks_(core_.executor()) {
    core_.start();
  }
  ~ClientBench() {
    async::asio::co_spawn(core_.executor(), stop(), async::asio::use_future).wait();
    core_.stop();
  }

  /// Asks, while the test goes on and answers.
  std::future<Outcome> ask(std::uint16_t port, OutgoingRequest request = {}) {
    return ask_at({.port = port, .http2 = Http2Use::never}, std::move(request));
  }
  std::future<Outcome> ask_http2(std::uint16_t port, OutgoingRequest request = {}) {
    return ask_at({.port = port, .http2 = Http2Use::assumed}, std::move(request));
  }
  template <class F>
  auto run(F f) {
    return async::asio::post(core_.executor(), async::asio::use_future(std::move(f))).get();
  }
  std::size_t idle() {
    return run([this] { return client.idle(); });
  }
  std::size_t open() {
    return run([this] { return client.open(); });
  }
  async::Core& core() { return core_; }
  async::TaskGroup& tasks() { return tasks_; }

  LoopbackConnector connector;

 private:
  async::Core core_{"http_test"};

 public:
  Client client;

 private:
  std::future<Outcome> ask_at(Destination destination, OutgoingRequest request) {
    if (request.authority.empty()) request.authority = "up.example";
    return async::asio::co_spawn(core_.executor(), exchange(std::move(destination), std::move(request)),
                                 async::asio::use_future);
  }
  awaitable<Outcome> exchange(Destination destination, OutgoingRequest request) {
    if (request.body) request.tasks = &tasks_;
    auto response = co_await client.send(destination, request);
    if (!response) co_return Outcome{.error = response.error()};
    Outcome outcome{.status = response->status,
                    .version = response->version,
                    .reason = response->reason,
                    .field = response->fields.joined("x-field"),
                    .length = response->body->length(),
                    .is_reused = response->is_reused};
    if (response->upgraded) {
      co_await talk(*response->upgraded, outcome);
      co_return outcome;
    }
    for (;;) {
      const auto piece = co_await response->body->read(1000);
      if (!piece) outcome.body_error = piece.error();
      if (!piece || piece->empty()) break;
      outcome.body += *piece;
    }
    outcome.trailer = response->body->trailers().joined("x-sum");
    co_return outcome;
  }
  static awaitable<void> talk(net::Stream& stream, Outcome& outcome) {
    EXPECT_TRUE(co_await stream.write("ping"));
    EXPECT_TRUE(co_await stream.shutdown_write());
    std::array<char, 100> room{};
    for (;;) {
      const auto got = co_await stream.read_some(room);
      if (!got || *got == 0) co_return;
      outcome.body.append(room.data(), *got);
    }
  }
  awaitable<void> stop() {
    co_await client.stop();
    tasks_.cancel();
    co_await tasks_.join();
  }

  async::TaskGroup tasks_;
};

}  // namespace propeller::http
