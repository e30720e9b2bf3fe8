#include "net/tcp_stream.hpp"

#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/socket_error.hpp"

namespace propeller::net {

namespace {

namespace asio = boost::asio;
using async::awaitable;

constexpr std::size_t kVectorMax = 16;
// Between two of these the neighbours on the core have their turn.
constexpr std::uint64_t kSendFileBytes = 1024 * 1024;

bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK; }

StreamInfo info_of(const asio::ip::tcp::socket& socket, const asio::ip::tcp::endpoint& peer) {
  boost::system::error_code ignored;
  return {.local = socket.local_endpoint(ignored), .peer = peer};
}

}  // namespace

TcpStream::TcpStream(asio::ip::tcp::socket socket, const asio::ip::tcp::endpoint& peer, Origin origin)
    : Stream(info_of(socket, peer), origin), Deadline(socket.get_executor()), socket_(std::move(socket)) {}

TcpStream::~TcpStream() = default;

std::unexpected<Error> TcpStream::closed() const {
  return fail(Code::cancelled, Origin::internal, "the connection was closed here");
}

Result<std::optional<std::size_t>> TcpStream::receive_now(std::span<char> room) {
  if (!socket_.is_open()) return closed();
  // A call that would say "nothing there" is saved; wait() looks at the state of the socket, so nothing is missed.
  if (std::exchange(is_drained_, false)) return std::nullopt;
  for (;;) {
    const auto count = ::recv(socket_.native_handle(), room.data(), room.size(), 0);
    if (count >= 0) {
      is_drained_ = count > 0 && static_cast<std::size_t>(count) < room.size();
      return static_cast<std::size_t>(count);
    }
    if (would_block(errno)) return std::nullopt;
    if (errno != EINTR) return socket_error(errno, origin(), "reading");
  }
}

Result<std::size_t> TcpStream::send_now(std::span<const std::string_view> parts) {
  if (!socket_.is_open()) return closed();
  std::array<iovec, kVectorMax> vector;  // NOLINT(*-member-init): only the entries counted are read
  std::size_t count = 0;
  for (const auto part : parts.first(std::min(parts.size(), kVectorMax))) {
    if (!part.empty()) vector[count++] = {.iov_base = const_cast<char*>(part.data()), .iov_len = part.size()};
  }
  if (count == 0) return 0;
  const msghdr message{.msg_iov = vector.data(), .msg_iovlen = count};
  for (;;) {
    const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (would_block(errno)) return 0;
    if (errno != EINTR) return socket_error(errno, origin(), "writing");
  }
}

bool TcpStream::has_arrived() {
  if (!socket_.is_open()) return true;
  is_drained_ = false;
  char first = 0;
  return ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || !would_block(errno);
}

awaitable<Result<void>> TcpStream::wait_readable() {
  return wait(reading_, WaitKind::wait_read, std::min(Clock::now() + timeouts_.read, read_deadline_));
}

awaitable<Result<void>> TcpStream::wait_writable() {
  return wait(writing_, WaitKind::wait_write, Clock::now() + timeouts_.write);
}

awaitable<Result<void>> TcpStream::wait(Waiting& waiting, WaitKind kind, Clock::time_point deadline) {
  is_drained_ = false;
  if (!socket_.is_open()) co_return closed();
  if (waiting.count++ == 0) waiting.is_timed_out = false;
  const struct Leave {
    Waiting& waiting;
    ~Leave() { --waiting.count; }
  } leave{waiting};
  waiting.deadline = deadline;
  arm_no_later_than(deadline);
  for (;;) {
    boost::system::error_code error;
    co_await socket_.async_wait(kind, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return Result<void>{};
    if (const auto state = co_await asio::this_coro::cancellation_state;
        state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
    if (!socket_.is_open()) co_return closed();
    if (waiting.is_timed_out) {
      co_return fail(Code::timeout, origin(),
                     kind == WaitKind::wait_read ? "nothing came in time" : "nothing was taken in time");
    }
    // Otherwise the other direction timed out: asio cancels both.
    if (error != asio::error::operation_aborted) co_return socket_error(error.value(), origin(), "waiting");
  }
}

void TcpStream::expired(Clock::time_point now) {
  auto next = Clock::time_point::max();
  bool is_late = false;
  for (Waiting* waiting : {&reading_, &writing_}) {
    if (waiting->count == 0) continue;
    if (waiting->deadline > now) {
      next = std::min(next, waiting->deadline);
    } else {
      is_late = waiting->is_timed_out = true;
    }
  }
  boost::system::error_code ignored;
  if (next != Clock::time_point::max()) arm_no_later_than(next);
  if (is_late) socket_.cancel(ignored);
}

awaitable<Result<void>> TcpStream::send_file(int file, std::uint64_t offset, std::uint64_t count) {
  std::uint32_t turns = 0;
  while (count > 0) {
    if (!socket_.is_open()) co_return closed();
    auto position = static_cast<off_t>(offset);
    const auto sent = ::sendfile(socket_.native_handle(), file, &position, std::min(count, kSendFileBytes));
    if (sent > 0) {
      offset += static_cast<std::uint64_t>(sent);
      count -= static_cast<std::uint64_t>(sent);
      if (count > 0) co_await let_others_run(turns);
      continue;
    }
    if (sent == 0) co_return fail(Code::io, Origin::internal, "the file is shorter than it was");
    if (would_block(errno)) {
      if (auto ready = co_await wait_writable(); !ready) co_return ready;
    } else if (errno == EINVAL || errno == ENOSYS) {
      // A file system without pages to send from.
      co_return co_await Stream::send_file(file, offset, count);
    } else if (errno != EINTR) {
      co_return socket_error(errno, origin(), "sending a file");
    }
  }
  co_return Result<void>{};
}

awaitable<Result<void>> TcpStream::shutdown_write() {
  boost::system::error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) co_return socket_error(error.value(), origin(), "ending the connection");
  co_return Result<void>{};
}

void TcpStream::close() {
  boost::system::error_code ignored;
  disarm();
  socket_.close(ignored);
}

void TcpStream::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (socket_.is_open()) ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

}  // namespace propeller::net
