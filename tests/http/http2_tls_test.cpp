#include <gtest/gtest.h>

#include "http/serving.hpp"
#include "net/certificate_authority.hpp"
#include "net/server_tls.hpp"
#include "support/environment.hpp"
#include "support/subprocess.hpp"

namespace propeller::http {
namespace {

using namespace std::chrono_literals;

/// A Server behind TLS, with the protocols it is told to choose from.
class TlsServing {
 public:
  TlsServing()
      : authority_(*net::CertificateAuthority::open(directory_.path(), std::chrono::system_clock::now())),
        tls_([this](std::string_view) { return authority_->leaf("127.0.0.1", std::chrono::system_clock::now()); }),
        listener_(core_),
        tasks_(core_.executor()) {
    EXPECT_TRUE(listener_.open({async::asio::ip::address_v4::loopback(), 0}));
    core_.start();
    async::asio::post(core_.executor(), [this] { tasks_.spawn(accept()); });
  }
  ~TlsServing() {
    async::asio::co_spawn(core_.executor(), stop(), async::asio::use_future).wait();
    core_.stop();
  }

  std::string ask(const std::string& version) {
    return support::run_command({"curl", "-sS", version, "--cacert", authority_->certificate_file().string(), "-w",
                                 " %{http_version}", "-d", std::string(100'000, 'x'),
                                 "https://127.0.0.1:" + std::to_string(listener_.address().port()) + "/x"});
  }

 private:
  awaitable<void> accept() {
    for (;;) {
      auto stream = co_await listener_.accept();
      if (!stream) co_return;
      tasks_.spawn(serve(std::move(*stream)));
    }
  }
  awaitable<void> serve(std::unique_ptr<net::Stream> below) {
    auto stream = co_await tls_.accept(
        std::move(below), {.alpn = {"h2", "http/1.1"}, .deadline = std::chrono::steady_clock::now() + 10s});
    EXPECT_TRUE(stream);
    if (stream) co_await server_.serve(**stream, handler_);
  }
  awaitable<void> stop() {
    listener_.close();
    tasks_.cancel();
    co_await tasks_.join();
  }

  support::TempDir directory_;
  async::Core core_{"http_test"};
  std::shared_ptr<net::CertificateAuthority> authority_;
  net::ServerTls tls_;
  Server server_{ServerLimits{}};
  PathHandler handler_;
  net::Listener listener_;
  async::TaskGroup tasks_;
};

// With a body that the handler does not read: HTTP/2 stops it, HTTP/1.1 drains it.
TEST(ServerOverTls, SpeaksTheProtocolThatTheHandshakeChose) {
  TlsServing serving;
  EXPECT_EQ(serving.ask("--http2"), "POST /x 2");
  EXPECT_EQ(serving.ask("--http1.1"), "POST /x 1.1");
}

}  // namespace
}  // namespace propeller::http
