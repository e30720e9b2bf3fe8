#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>

#include "async/core.hpp"
#include "base/error.hpp"
#include "net/tcp_stream.hpp"

namespace propeller::net {

/// Errors: bad_config, when another socket listens on `address` already or it is not ours. Listeners of several cores
/// share a port (SO_REUSEPORT), and would share it with another process as well: so ask before the first one opens.
[[nodiscard]] Result<void> check_is_free(const boost::asio::ip::tcp::endpoint& address);

/// A listening TCP socket of one core; the listeners of several cores on one address share its connections.
///
/// Bound:    the kernel's backlog, kBacklog connections. While the process is out of descriptors or memory, accept()
///           pauses kPause between two attempts, and the callers wait in the backlog.
/// Errors:   open(): bad_config with the address. accept(): cancelled after close(); what happens to one connection is
///           never an error of the listener.
/// Threads:  one core.
class Listener {
 public:
  static constexpr int kBacklog = 4096;
  static constexpr std::chrono::milliseconds kPause{50};

  explicit Listener(async::Core& core) : Listener(core.executor()) {}
  explicit Listener(boost::asio::any_io_executor executor);

  [[nodiscard]] Result<void> open(const boost::asio::ip::tcp::endpoint& address);
  /// The next connection, with Origin::client. Cancellation unwinds.
  [[nodiscard]] async::awaitable<Result<std::unique_ptr<TcpStream>>> accept();
  void close();

  /// Where it listens; the port is known even when 0 was asked for.
  [[nodiscard]] const boost::asio::ip::tcp::endpoint& address() const { return address_; }
  /// How often it had to pause.
  [[nodiscard]] std::uint64_t pauses() const { return pauses_; }

 private:
  async::awaitable<Result<void>> wait_for_caller();
  async::awaitable<void> pause();

  boost::asio::any_io_executor executor_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer timer_;
  boost::asio::ip::tcp::endpoint address_;
  std::uint64_t pauses_ = 0;
  std::uint32_t without_waiting_ = 0;
};

}  // namespace propeller::net
