#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "async/deadline_queue.hpp"
#include "net/stream.hpp"

namespace propeller::net {

/// A Stream on a TCP socket. System calls are tried first; only what would block goes through the core's reactor.
///
/// Bound:    no buffer of its own.
/// Source:   tcp(7), sendfile(2)
class TcpStream final : public Stream, private async::Deadline {
 public:
  /// `socket` is connected, or being connected, does not block, and sends without delay. `origin` is client for an
  /// accepted one, upstream for one that we asked for.
  TcpStream(boost::asio::ip::tcp::socket socket, const boost::asio::ip::tcp::endpoint& peer, Origin origin);
  ~TcpStream() override;

  [[nodiscard]] async::awaitable<Result<void>> send_file(int file, std::uint64_t offset, std::uint64_t count) override;
  [[nodiscard]] async::awaitable<Result<void>> shutdown_write() override;
  void close() override;
  void reset() override;
  [[nodiscard]] const boost::asio::any_io_executor& executor() override { return socket_.get_executor(); }
  void set_timeouts(Timeouts timeouts) override { timeouts_ = timeouts; }
  void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) override {
    read_deadline_ = deadline.value_or(Clock::time_point::max());
  }

  [[nodiscard]] int native_handle() { return socket_.native_handle(); }

 private:
  using WaitKind = boost::asio::ip::tcp::socket::wait_type;
  /// Those who wait for one direction.
  struct Waiting {
    Clock::time_point deadline = Clock::time_point::max();
    std::uint32_t count = 0;
    bool is_timed_out = false;
  };

  Result<std::optional<std::size_t>> receive_now(std::span<char> room) override;
  Result<std::size_t> send_now(std::span<const std::string_view> parts) override;
  async::awaitable<Result<void>> wait_readable() override;
  async::awaitable<Result<void>> wait_writable() override;
  bool has_arrived() override;

  async::awaitable<Result<void>> wait(Waiting& waiting, WaitKind kind, Clock::time_point deadline);
  void expired(Clock::time_point now) override;
  [[nodiscard]] std::unexpected<Error> closed() const;

  boost::asio::ip::tcp::socket socket_;
  Timeouts timeouts_;
  Clock::time_point read_deadline_ = Clock::time_point::max();
  Waiting reading_, writing_;
  bool is_drained_ = false;  ///< the last read took all there was
};

}  // namespace propeller::net
