// What a request costs: its head taken apart, and served over loopback with the processor time of the serving core
// alone.
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "async/core.hpp"
#include "base/assert.hpp"
#include "base/file_descriptor.hpp"
#include "http/head_parser.hpp"
#include "http/server.hpp"
#include "net/listener.hpp"

namespace {

using namespace propeller;
namespace asio = async::asio;

const std::string kRequest =
    "GET /v2/library/app/blobs/sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 HTTP/1.1\r\n"
    "Host: registry.example.org\r\nUser-Agent: containerd/1.7.20\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
    "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";

void parse_request_head(benchmark::State& state) {
  std::vector<http::Field> storage;
  const http::ParseLimits limits;
  for (auto _ : state) {
    http::HeadFinder finder;
    const auto size = finder.find(kRequest, limits);
    auto parsed = http::parse_request(std::string_view(kRequest).substr(0, *size), limits, storage);
    ASSERT(parsed);
    benchmark::DoNotOptimize(parsed);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRequest.size()));
}
BENCHMARK(parse_request_head);

/// A hit as the cache gives it: bytes that several requests share, with the fields that were stored.
class Hit final : public http::Handler {
 public:
  explicit Hit(std::size_t size) : bytes_(std::make_shared<const std::string>(size, 'x')) {}
  async::awaitable<http::Response> handle(http::Request&) override {
    http::Response response{.status = 200};
    response.fields.add_view("Content-Type", "application/octet-stream");
    response.fields.add_view("Docker-Content-Digest",
                             "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    response.fields.add_view("ETag", "\"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\"");
    response.fields.add_view("X-Cache", "HIT");
    response.body = std::make_unique<http::MemoryBody>(bytes_, *bytes_);
    co_return response;
  }

 private:
  std::shared_ptr<const std::string> bytes_;
};

class Site {
 public:
  explicit Site(std::size_t size) : hit_(size), listener_(core_), tasks_(core_.executor()) {
    ASSERT(listener_.open({asio::ip::address_v4::loopback(), 0}));
    core_.start();
    asio::post(core_.executor(), asio::use_future([this] {
                 ASSERT(pthread_getcpuclockid(pthread_self(), &clock_) == 0);
                 tasks_.spawn(accept());
               }))
        .get();
  }
  ~Site() { core_.stop(); }

  [[nodiscard]] double cpu_seconds() const {
    timespec time{};
    clock_gettime(clock_, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  [[nodiscard]] base::FileDescriptor connect() const {
    base::FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(listener_.address().port()),
                              .sin_addr = {htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    ASSERT(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return socket;
  }

 private:
  async::awaitable<void> accept() {
    for (;;) {
      auto stream = co_await listener_.accept();
      if (!stream) co_return;
      tasks_.spawn(serve(std::move(*stream)));
    }
  }
  async::awaitable<void> serve(std::unique_ptr<net::TcpStream> stream) { co_await server_.serve(*stream, hit_); }

  http::Server server_{http::ServerLimits{.requests_max = UINT64_MAX}};
  Hit hit_;
  clockid_t clock_{};
  async::Core core_{"http_bench"};
  net::Listener listener_;
  async::TaskGroup tasks_;
};

/// One request after the other on one connection: nothing is batched.
void serve_hit(benchmark::State& state) {
  const Site site(static_cast<std::size_t>(state.range(0)));
  const auto socket = site.connect();
  std::vector<char> room(256 * 1024);
  std::size_t expected = 0;
  const auto ask = [&] {
    ASSERT(::send(socket.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) > 0);
    std::size_t got = 0;
    do {
      const ssize_t size = ::recv(socket.get(), room.data(), room.size(), 0);
      ASSERT(size > 0);
      got += static_cast<std::size_t>(size);
      // The first answer tells how long they all are.
      if (expected == 0) {
        const std::string_view text(room.data(), got);
        if (const auto end = text.find("\r\n\r\n"); end != std::string_view::npos) {
          expected = end + 4 + static_cast<std::size_t>(state.range(0));
        }
      }
    } while (got < expected);
  };
  ask();
  const double before = site.cpu_seconds();
  for (auto _ : state) ask();
  const double spent = site.cpu_seconds() - before;
  state.counters["server_us"] = 1e6 * spent / static_cast<double>(state.iterations());
}
BENCHMARK(serve_hit)->Arg(2048)->Arg(128 * 1024)->UseRealTime();

}  // namespace
