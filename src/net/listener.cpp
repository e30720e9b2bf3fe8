#include "net/listener.hpp"

#include <fmt/ostream.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace propeller::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using async::awaitable;
using boost::system::error_code;
using OnlyIpv6 = asio::detail::socket_option::boolean<IPPROTO_IPV6, IPV6_V6ONLY>;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr std::uint32_t kTurnsMax = 16;

std::unexpected<Error> closed() { return fail(Code::cancelled, Origin::internal, "the listener was closed"); }

error_code bind(tcp::acceptor& acceptor, const tcp::endpoint& address, bool is_shared) {
  error_code error;
  acceptor.open(address.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && is_shared) acceptor.set_option(ReusePort(true), error);
  // An address of IPv6 means itself: who wants both families opens both.
  if (!error && address.address().is_v6()) acceptor.set_option(OnlyIpv6(true), error);
  // Accepted sockets inherit it.
  if (!error) acceptor.set_option(tcp::no_delay(true), error);
  if (!error) acceptor.bind(address, error);
  return error;
}

std::unexpected<Error> refuse(const tcp::endpoint& address, const error_code& error) {
  return fail(Code::bad_config, Origin::internal,
              fmt::format("cannot listen on {}: {}", fmt::streamed(address), error.message()));
}

/// Out of something that comes back; anything else is about the one connection.
bool is_exhausted(int code) { return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM; }

}  // namespace

Result<void> check_is_free(const tcp::endpoint& address) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context);
  auto error = bind(acceptor, address, false);
  if (!error) acceptor.listen(1, error);
  if (error) return refuse(address, error);
  return {};
}

Listener::Listener(asio::any_io_executor executor)
    : executor_(std::move(executor)), acceptor_(executor_), timer_(executor_) {}

Result<void> Listener::open(const tcp::endpoint& address) {
  auto error = bind(acceptor_, address, true);
  if (!error) acceptor_.listen(kBacklog, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (!error) address_ = acceptor_.local_endpoint(error);
  if (!error) return {};
  error_code ignored;
  acceptor_.close(ignored);
  return refuse(address, error);
}

void Listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
}

awaitable<Result<std::unique_ptr<TcpStream>>> Listener::accept() {
  while (acceptor_.is_open()) {
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    const int accepted = ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      peer.resize(size);
      tcp::socket socket(executor_);
      error_code error;
      socket.assign(address_.protocol(), accepted, error);
      if (error) {
        ::close(accepted);
        co_await pause();
        continue;
      }
      auto stream = std::make_unique<TcpStream>(std::move(socket), peer, Origin::client);
      // The connections that are there already have their turn between new ones.
      if (++without_waiting_ >= kTurnsMax) {
        without_waiting_ = 0;
        co_await asio::post(executor_, asio::use_awaitable);
      }
      co_return stream;
    }
    if (is_exhausted(errno)) {
      co_await pause();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto ready = co_await wait_for_caller(); !ready) co_return std::unexpected(std::move(ready.error()));
    }
  }
  co_return closed();
}

awaitable<Result<void>> Listener::wait_for_caller() {
  without_waiting_ = 0;
  error_code error;
  co_await acceptor_.async_wait(tcp::acceptor::wait_read, asio::redirect_error(asio::use_awaitable, error));
  if (const auto state = co_await asio::this_coro::cancellation_state;
      state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  if (error) co_return closed();
  co_return Result<void>{};
}

awaitable<void> Listener::pause() {
  ++pauses_;
  timer_.expires_after(kPause);
  error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (const auto state = co_await asio::this_coro::cancellation_state;
      state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

}  // namespace propeller::net
