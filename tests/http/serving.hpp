#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "async/core.hpp"
#include "http/peer.hpp"
#include "http/server.hpp"
#include "net/listener.hpp"

namespace propeller::http {

/// Answers by the path of the request, with small coroutines that the tests add.
class PathHandler final : public Handler {
 public:
  using Answer = awaitable<Response> (*)(Request&);
  void add(std::string path, Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_[std::move(path)] = answer;
  }

  awaitable<Response> handle(Request& request) override {
    ++handled;
    if (const auto answer = find(std::string(request.head().path))) co_return co_await answer(request);
    co_return text_response(200, std::string(request.head().method_name) + " " + std::string(request.head().path));
  }
  void refused(const net::StreamInfo&, int status, std::string_view) override { refused_status = status; }

  std::atomic<int> handled = 0, refused_status = 0;

 private:
  Answer find(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto found = answers_.find(path);
    return found == answers_.end() ? nullptr : found->second;
  }

  std::mutex mutex_;
  std::map<std::string, Answer> answers_;
};

/// A Server on a core of its own, behind a listener on loopback. Ends everything when it goes.
class Serving {
 public:
  explicit Serving(ServerLimits limits = {}) : server(limits), listener_(core_), tasks_(core_.executor()) {
    EXPECT_TRUE(listener_.open({async::asio::ip::address_v4::loopback(), 0}));
    core_.start();
    async::asio::post(core_.executor(), [this] { tasks_.spawn(accept()); });
  }
  ~Serving() {
    async::asio::co_spawn(core_.executor(), stop(), async::asio::use_future).wait();
    core_.stop();
  }

  Peer connect() { return Peer::connect(port()); }
  [[nodiscard]] std::uint16_t port() const { return listener_.address().port(); }
  /// On the server's core, waiting for the result.
  template <class F>
  auto run(F f) {
    return async::asio::post(core_.executor(), async::asio::use_future(std::move(f))).get();
  }
  void drain() {
    run([this] { server.drain(); });
  }
  ServerFigures figures() {
    return run([this] { return server.figures(); });
  }
  async::Core& core() { return core_; }

  Server server;
  PathHandler handler;

 private:
  awaitable<void> accept() {
    for (;;) {
      auto stream = co_await listener_.accept();
      if (!stream) co_return;
      tasks_.spawn(serve(std::move(*stream)));
    }
  }
  awaitable<void> serve(std::unique_ptr<net::TcpStream> stream) { co_await server.serve(*stream, handler); }
  awaitable<void> stop() {
    listener_.close();
    tasks_.cancel();
    co_await tasks_.join();
  }

  async::Core core_{"http_test"};
  net::Listener listener_;
  async::TaskGroup tasks_;
};

}  // namespace propeller::http
