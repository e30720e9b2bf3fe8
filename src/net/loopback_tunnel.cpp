#include "net/loopback_tunnel.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <future>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "base/base64.hpp"
#include "base/random.hpp"
#include "net/byte_queue.hpp"
#include "net/dial.hpp"

namespace propeller::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using async::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kCallerPatience{15};
constexpr std::size_t kHandshakeBytesMax = 4096;
constexpr std::size_t kReturnBufferBytes = 64 * 1024;
constexpr std::string_view kUser = "tunnel";
constexpr std::string_view kConnected = "HTTP/1.1 200 Connected\r\n\r\n";

std::unexpected<Error> refuse(std::string detail) {
  return fail(Code::disconnected, Origin::upstream, std::move(detail));
}

bool has_line(std::string_view head, std::string_view line) {
  return head.find(fmt::format("\r\n{}\r\n", line)) != std::string_view::npos;
}

std::string basic_credentials(std::string_view user, std::string_view secret) {
  const std::string plain = fmt::format("{}:{}", user, secret);
  std::string text(base::base64_size(plain.size()), '\0');
  base::base64_encode(std::as_bytes(std::span(plain)), text.data());
  return text;
}

}  // namespace

/// The sockets and the coroutines that move the bytes, all on one core.
class LoopbackTunnel::Loop {
 public:
  explicit Loop(TunnelOptions options)
      : options_(std::move(options)),
        core_("mqtt_tunnel"),
        group_(core_.executor()),
        acceptor_(core_.context()),
        caller_(core_.context()),
        patience_(core_.context()),
        queue_(options_.buffer_bytes_max),
        filled_(core_.executor()),
        drained_(core_.executor()) {}

  ~Loop() {
    if (is_started_) asio::co_spawn(core_.executor(), end(), asio::use_future).wait();
    core_.stop();
  }

  Result<void> open() {
    const auto deadline = Clock::now() + options_.connect_timeout;
    const auto is_cancelled = [this] { return is_cancelled_.load(); };
    const auto addresses = resolve(options_.target.host, options_.target.port, deadline, is_cancelled);
    if (!addresses) return std::unexpected(addresses.error());
    tcp::socket socket(core_.context());
    if (auto connected = connect_any(socket, *addresses, deadline, is_cancelled); !connected) return connected;
    auto target = make_target(std::move(socket), options_.target);
    if (!target) return std::unexpected(target.error());
    target_ = std::move(*target);
    if (auto listening = listen(); !listening) return listening;

    std::promise<Result<void>> opened;
    auto outcome = opened.get_future();
    group_.spawn(greet_target(std::move(opened), deadline));
    core_.start();
    is_started_ = true;
    return outcome.get();
  }

  void cancel() {
    is_cancelled_ = true;
    asio::post(core_.executor(), [this] { cut(); });
  }

  std::uint64_t bytes_taken() const { return bytes_taken_; }
  std::uint64_t bytes_passed() const { return bytes_passed_; }

  void finish(std::chrono::milliseconds patience) {
    if (is_started_) flushed_.wait_for(patience);
  }

  std::string proxy_url(std::string_view scheme) const {
    return fmt::format("{}://{}:{}@127.0.0.1:{}", scheme, kUser, secret_, port_);
  }

 private:
  Result<void> listen();
  void allow(Clock::time_point until);
  awaitable<void> greet_target(std::promise<Result<void>> opened, Clock::time_point deadline);
  awaitable<void> accept();
  awaitable<void> greet(std::shared_ptr<tcp::socket> socket);
  awaitable<bool> read_head(tcp::socket& socket);
  awaitable<void> fill();
  awaitable<void> drain();
  awaitable<void> carry_back();
  void pass_on_at_once();
  void took(std::size_t bytes) {
    queue_.consume(bytes);
    bytes_passed_ += bytes;
  }
  void cut();
  awaitable<void> end() {
    cut();
    group_.cancel();
    co_await group_.join();
  }

  const TunnelOptions options_;
  const std::string secret_ = base::random_hex(32);
  const std::string credentials_ = basic_credentials(kUser, secret_);
  std::atomic<bool> is_cancelled_{false};
  std::atomic<std::uint64_t> bytes_taken_{0}, bytes_passed_{0};
  bool is_started_ = false;
  std::uint16_t port_ = 0;
  async::Core core_;
  async::TaskGroup group_;
  tcp::acceptor acceptor_;
  tcp::socket caller_;
  std::unique_ptr<Target> target_;
  asio::steady_timer patience_;  ///< for the caller to come
  std::size_t handshakes_ = 0;
  ByteQueue queue_;  ///< from the caller to the target
  async::Event filled_, drained_;
  bool is_caller_done_ = false;
  std::promise<void> flush_;
  std::future<void> flushed_ = flush_.get_future();
  bool is_writing_ = false;  ///< drain() is, so nobody may overtake it
};

Result<void> LoopbackTunnel::Loop::listen() {
  error_code error;
  acceptor_.open(tcp::v4(), error);
  if (!error) acceptor_.bind({asio::ip::address_v4::loopback(), 0}, error);
  if (!error) acceptor_.listen(kHandshakesMax, error);
  if (error) return fail(Code::io, Origin::internal, fmt::format("cannot listen on loopback: {}", error.message()));
  port_ = acceptor_.local_endpoint().port();
  return {};
}

/// After that time everything is over, unless patience_ is cancelled or set anew before.
void LoopbackTunnel::Loop::allow(Clock::time_point until) {
  patience_.expires_at(until);
  patience_.async_wait([this](const error_code& cancelled) {
    if (!cancelled) cut();
  });
}

awaitable<void> LoopbackTunnel::Loop::greet_target(std::promise<Result<void>> opened, Clock::time_point deadline) {
  allow(deadline);
  auto greeted = co_await target_->handshake();
  if (!greeted && Clock::now() >= deadline) greeted = refuse("no answer in time");
  if (greeted) {
    allow(Clock::now() + kCallerPatience);
    group_.spawn(accept());
  } else {
    cut();
  }
  opened.set_value(std::move(greeted));
}

awaitable<void> LoopbackTunnel::Loop::accept() {
  while (acceptor_.is_open()) {
    auto socket = std::make_shared<tcp::socket>(core_.context());
    error_code error;
    co_await acceptor_.async_accept(*socket, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    // Strangers that hold a place are thrown out by the patience of all; more of them are not let in.
    if (handshakes_ < kHandshakesMax) group_.spawn(greet(std::move(socket)));
  }
}

awaitable<void> LoopbackTunnel::Loop::greet(std::shared_ptr<tcp::socket> socket) {
  ++handshakes_;
  error_code error;
  // The answer before the question: the target is connected already, and Paho C looks for it once at once and then only
  // every 250 ms. Not a byte is passed on before the secret is seen.
  co_await asio::async_write(*socket, asio::buffer(kConnected), asio::redirect_error(asio::use_awaitable, error));
  const bool is_ours = !error && co_await read_head(*socket);
  --handshakes_;
  if (!is_ours || !acceptor_.is_open()) co_return;
  acceptor_.close();
  patience_.cancel();
  caller_ = std::move(*socket);
  caller_.set_option(tcp::no_delay(true), error);
  group_.spawn(fill());
  group_.spawn(drain());
  group_.spawn(carry_back());
}

/// True when the head of the request carries the secret. Reads it byte by byte: what follows belongs to the target.
awaitable<bool> LoopbackTunnel::Loop::read_head(tcp::socket& socket) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    if (head.size() == kHandshakeBytesMax) co_return false;
    char byte = 0;
    error_code error;
    co_await socket.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return false;
    head += byte;
  }
  co_return head.starts_with("CONNECT ") && has_line(head, "Proxy-authorization: Basic " + credentials_);
}

/// Takes what the caller writes as fast as it comes.
awaitable<void> LoopbackTunnel::Loop::fill() {
  for (;;) {
    while (queue_.is_full()) co_await drained_.wait();
    const auto room = queue_.prepare();
    error_code error;
    const std::size_t read = co_await caller_.async_read_some(asio::buffer(room.data(), room.size()),
                                                              asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      if (error != asio::error::eof) cut();
      break;
    }
    queue_.commit(read);
    bytes_taken_ += read;
    if (options_.on_taken) options_.on_taken();
    // The caller cannot set TCP_NODELAY: an acknowledgement that is not delayed keeps Nagle's algorithm from waiting.
    const int is_on = 1;
    ::setsockopt(caller_.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &is_on, sizeof is_on);
    pass_on_at_once();
  }
  is_caller_done_ = true;
  filled_.notify_all();
}

/// While the bytes are in the processor's cache, and without waking anybody.
void LoopbackTunnel::Loop::pass_on_at_once() {
  error_code error;
  while (!is_writing_ && !queue_.empty() && !error) {
    const auto bytes = queue_.front();
    const auto written = target_->write_now(asio::buffer(bytes.data(), bytes.size()));
    took(written.bytes);
    error = written.error;
  }
  // A full or broken socket is drain()'s to wait for or to find.
  if (!queue_.empty()) filled_.notify_all();
}

awaitable<void> LoopbackTunnel::Loop::drain() {
  for (;;) {
    while (queue_.empty()) {
      if (is_caller_done_) {
        co_await target_->finish();
        flush_.set_value();
        co_return;
      }
      co_await filled_.wait();
    }
    const auto bytes = queue_.front();
    is_writing_ = true;
    const auto written = co_await target_->write_some(asio::buffer(bytes.data(), bytes.size()));
    is_writing_ = false;
    if (written.error) co_return cut();
    took(written.bytes);
    drained_.notify_all();
  }
}

awaitable<void> LoopbackTunnel::Loop::carry_back() {
  const auto buffer = std::make_unique<std::array<char, kReturnBufferBytes>>();
  for (;;) {
    const auto read = co_await target_->read_some(asio::buffer(*buffer));
    error_code error = read.error;
    if (error == asio::error::eof) {
      caller_.shutdown(tcp::socket::shutdown_send, error);
      co_return;
    }
    if (!error) {
      co_await asio::async_write(caller_, asio::buffer(buffer->data(), read.bytes),
                                 asio::redirect_error(asio::use_awaitable, error));
    }
    if (error) co_return cut();
  }
}

/// Ends both connections at once; whoever waits on them finds out.
void LoopbackTunnel::Loop::cut() {
  error_code ignored;
  patience_.cancel();
  acceptor_.close(ignored);
  caller_.close(ignored);
  if (target_) target_->close();
}

LoopbackTunnel::LoopbackTunnel(TunnelOptions options) : loop_(std::make_unique<Loop>(std::move(options))) {}
LoopbackTunnel::~LoopbackTunnel() = default;

Result<void> LoopbackTunnel::open() { return loop_->open(); }
void LoopbackTunnel::cancel() { loop_->cancel(); }
void LoopbackTunnel::finish(std::chrono::milliseconds patience) { loop_->finish(patience); }
std::uint64_t LoopbackTunnel::bytes_taken() const { return loop_->bytes_taken(); }
std::uint64_t LoopbackTunnel::bytes_passed() const { return loop_->bytes_passed(); }
std::string LoopbackTunnel::proxy_url(std::string_view scheme) const { return loop_->proxy_url(scheme); }

}  // namespace propeller::net
