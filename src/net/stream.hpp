#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "async/core.hpp"
#include "base/error.hpp"

namespace propeller::net {

/// What a TLS handshake agreed on.
struct TlsInfo {
  std::string_view version;   ///< "TLSv1.3"
  std::string_view cipher;    ///< "TLS_AES_128_GCM_SHA256"
  std::string alpn;           ///< "h2"; empty when none was agreed on
  std::string server_name;    ///< what the client asked for by SNI; empty when it named none
  std::string verified_name;  ///< of the peer, by its certificate; empty when it was not asked for one or not verified
  bool is_resumed = false;
};

struct StreamInfo {
  boost::asio::ip::tcp::endpoint local, peer;
  std::shared_ptr<const TlsInfo> tls;  ///< null: no TLS
};

/// How long nothing may move in one direction while somebody waits for it.
struct Timeouts {
  std::chrono::milliseconds read{30'000}, write{30'000};
};

/// A connected byte stream: TCP, TLS over any Stream, or a stream of an HTTP/2 connection.
///
/// Order:    bytes come as they were sent; those given to unread() come first.
/// Bound:    holds no bytes but those of unread() and, in TLS, of the record in progress.
/// Pressure: write() returns when the kernel (or the layer below) has taken everything.
/// Errors:   timeout (the Timeouts or the read deadline), connection_reset, cancelled (close() or reset() came in
///           between), tls_failed; the origin says whether the peer called us or we it. After an error only close() and
///           reset() make sense. Cancellation of the task that waits unwinds as everywhere.
/// Threads:  one core. One coroutine may read while another writes; never two of a kind.
/// Lifetime: nobody waits on it when it goes. What parts and rooms refer to lives until the call returns.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// At least one byte into `room` (which is not empty); 0 when the peer has ended its direction.
  [[nodiscard]] async::awaitable<Result<std::size_t>> read_some(std::span<char> room);
  /// What is there without waiting; nullopt when nothing is. A coroutine less than read_some().
  [[nodiscard]] Result<std::optional<std::size_t>> try_read(std::span<char> room);
  /// Waits until try_read() is likely to give something, be it the end. So an idle connection needs no buffer.
  [[nodiscard]] async::awaitable<Result<void>> wait_input();
  /// Without waiting: bytes, the end or an error is there. A pooled connection of which this is true is of no use.
  [[nodiscard]] bool has_input();
  /// Puts bytes in front of what comes next: sniffed ones, or what was left over behind a head.
  void unread(std::string_view bytes);

  /// All of it, gathered into as few calls and records as possible.
  [[nodiscard]] async::awaitable<Result<void>> write(std::span<const std::string_view> parts);
  [[nodiscard]] async::awaitable<Result<void>> write(std::string_view bytes);
  /// What goes without waiting, in bytes from the front of `parts`; 0 when nothing does. After less than everything the
  /// next call begins with the bytes left: TLS may have enciphered them already.
  [[nodiscard]] Result<std::size_t> try_write(std::span<const std::string_view> parts);
  /// Waits until try_write() is likely to take something.
  [[nodiscard]] async::awaitable<Result<void>> wait_output() { return wait_writable(); }
  /// `count` bytes of an open file from `offset`; without a copy through user space where the kernel can do that.
  /// Errors: also io, when the file ends too early or cannot be read.
  [[nodiscard]] virtual async::awaitable<Result<void>> send_file(int file, std::uint64_t offset, std::uint64_t count);
  /// Half close: the peer reads an orderly end (TLS: close_notify); reading goes on.
  [[nodiscard]] virtual async::awaitable<Result<void>> shutdown_write() = 0;

  /// Ends both directions now. Whoever waits gets cancelled.
  virtual void close() = 0;
  /// Like close(), but the peer sees a broken connection (RST), so that a transfer cut short is not taken for whole.
  virtual void reset() = 0;

  virtual void set_timeouts(Timeouts timeouts) = 0;
  /// Reads that wait longer than until then fail with timeout, however many bytes came before; nullopt: no such time.
  virtual void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) = 0;

  [[nodiscard]] const StreamInfo& info() const { return info_; }
  /// Whom a trusted proxy in front of us speaks for (PROXY protocol).
  void set_endpoints(boost::asio::ip::tcp::endpoint local, boost::asio::ip::tcp::endpoint peer);
  /// Whose fault an error on this stream is.
  [[nodiscard]] Origin origin() const { return origin_; }
  [[nodiscard]] virtual const boost::asio::any_io_executor& executor() = 0;

 protected:
  Stream(StreamInfo info, Origin origin);
  [[nodiscard]] static async::awaitable<Result<void>> no_wait();
  /// Behind everything that is ready to run on this core; resets the count of calls that did not wait.
  async::awaitable<void> let_others_run(std::uint32_t& without_waiting);
  StreamInfo info_;

 private:
  // What a kind of stream provides; the public functions put unread bytes, retries and fairness around it.
  virtual Result<std::optional<std::size_t>> receive_now(std::span<char> room) = 0;
  virtual Result<std::size_t> send_now(std::span<const std::string_view> parts) = 0;
  virtual async::awaitable<Result<void>> wait_readable() = 0;
  virtual async::awaitable<Result<void>> wait_writable() = 0;
  virtual bool has_arrived() = 0;

  const Origin origin_;
  std::uint32_t reads_without_waiting_ = 0, writes_without_waiting_ = 0;
  std::size_t unread_begin_ = 0;
  std::string unread_;
};

}  // namespace propeller::net
