#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "async/core.hpp"
#include "http/server.hpp"
#include "net/listener.hpp"
#include "net/server_tls.hpp"
#include "net/tls_identity.hpp"
#include "support/tls_files.hpp"

namespace propeller::forward {

/// An origin of HTTP/1.1 and HTTP/2 over TLS, on a core of its own. What it does depends on the path:
/// `/stream` sends the request's body back piece by piece and ends with a trailer, as gRPC does; `/socket` becomes a
/// WebSocket that sends its bytes back.
class TlsOrigin {
 public:
  explicit TlsOrigin(const support::TlsFiles& files, std::vector<std::string> alpn = {"h2", "http/1.1"})
      : alpn_(std::move(alpn)),
        identity_(*net::load_identity(files.server_certificate(), files.server_key())),
        tls_([this](std::string_view) { return identity_; }),
        listener_(core_),
        tasks_(core_.executor()) {
    EXPECT_TRUE(listener_.open({async::asio::ip::address_v4::loopback(), 0}));
    core_.start();
    async::asio::post(core_.executor(), [this] { tasks_.spawn(accept()); });
  }
  ~TlsOrigin() {
    async::asio::co_spawn(core_.executor(), stop(), async::asio::use_future).wait();
    core_.stop();
  }

  [[nodiscard]] std::uint16_t port() const { return listener_.address().port(); }

 private:
  /// Sends on what it reads.
  class EchoBody final : public http::BodySource {
   public:
    explicit EchoBody(std::unique_ptr<http::BodySource> body) : body_(std::move(body)) {
      trailers_.add("grpc-status", "0");
    }
    async::awaitable<Result<std::string_view>> read(std::size_t max) override { return body_->read(max); }
    [[nodiscard]] http::FieldView trailers() const override { return trailers_; }

   private:
    std::unique_ptr<http::BodySource> body_;
    http::Fields trailers_;
  };

  class EchoSocket final : public http::Takeover {
   public:
    async::awaitable<void> run(net::Stream& stream) override {
      for (;;) {
        char room[4096];
        const auto count = co_await stream.read_some(room);
        if (!count || *count == 0) co_return;
        if (auto sent = co_await stream.write({room, *count}); !sent) co_return;
      }
    }
  };

  class Handler final : public http::Handler {
    async::awaitable<http::Response> handle(http::Request& request) override {
      http::Response response;
      response.fields.add("x-version", std::string(http::to_string(request.head().version)));
      response.fields.add("x-te", std::string(request.fields().find("te").value_or("none")));
      if (request.head().path == "/socket") {
        response.status = 101;
        response.fields.add("Upgrade", "websocket");
        response.fields.add("Sec-WebSocket-Accept",
                            "for " + std::string(request.fields().find("sec-websocket-key").value_or("")));
        response.takeover = std::make_unique<EchoSocket>();
      } else {
        response.body = std::make_unique<EchoBody>(request.take_body());
      }
      co_return response;
    }
  };

  async::awaitable<void> accept() {
    for (;;) {
      auto stream = co_await listener_.accept();
      if (!stream) co_return;
      tasks_.spawn(serve(std::move(*stream)));
    }
  }
  async::awaitable<void> serve(std::unique_ptr<net::Stream> below) {
    auto stream = co_await tls_.accept(
        std::move(below), {.alpn = alpn_, .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10)});
    if (stream) co_await server_.serve(**stream, handler_);
  }
  async::awaitable<void> stop() {
    listener_.close();
    tasks_.cancel();
    co_await tasks_.join();
  }

  const std::vector<std::string> alpn_;
  async::Core core_{"tls_origin"};
  std::shared_ptr<const net::TlsIdentity> identity_;
  net::ServerTls tls_;
  http::Server server_{http::ServerLimits{}};
  Handler handler_;
  net::Listener listener_;
  async::TaskGroup tasks_;
};

}  // namespace propeller::forward
