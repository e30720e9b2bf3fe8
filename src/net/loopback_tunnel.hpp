#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "net/target.hpp"

namespace propeller::net {

struct TunnelOptions {
  TargetOptions target;
  std::chrono::milliseconds connect_timeout{10'000};  ///< for the name, all its addresses, TLS and WebSocket together
  std::size_t buffer_bytes_max = std::size_t{32} * 1024 * 1024;  ///< towards the target; then nothing more is read
  std::function<void()> on_taken = {};  ///< after each read from the caller, on the tunnel's thread; must not block
};

/// One connection for a library in this process that must not find its own socket full: it connects to us on loopback
/// with HTTP CONNECT, we take its bytes at once and pass them on as the network takes them, through TLS and WebSocket
/// where the target wants those.
///
/// Why:      docs/adr/0002-loopback-tunnel.md
/// Bound:    buffer_bytes_max and a block towards the target, one small buffer back; kHandshakesMax callers at a time.
/// Errors:   open() says what went wrong; later the end of one side is passed to the other.
/// Threads:  open(), finish() and the destructor block, the first two up to their timeouts; cancel() from any. A thread
/// of its own moves
///           the bytes.
/// Lifetime: a single use. Nobody else on the machine can use it: the first caller with the secret of proxy_url() gets
///           the connection, the port is closed behind it.
/// Source:   RFC 9110 section 9.3.6
class LoopbackTunnel {
 public:
  static constexpr std::size_t kHandshakesMax = 8;

  explicit LoopbackTunnel(TunnelOptions options);
  ~LoopbackTunnel();
  LoopbackTunnel(const LoopbackTunnel&) = delete;
  LoopbackTunnel& operator=(const LoopbackTunnel&) = delete;

  /// Connects to the target and waits for the caller from then on. Errors: disconnected, with a sentence.
  [[nodiscard]] Result<void> open();
  /// open() returns soon, and what is connected is cut.
  void cancel();
  /// After the caller has closed its side: waits until all it wrote has gone, at most `patience`.
  void finish(std::chrono::milliseconds patience);

  /// Bytes read from the caller so far. Threads: any.
  [[nodiscard]] std::uint64_t bytes_taken() const;
  /// Bytes taken by the target's connection so far. Threads: any.
  [[nodiscard]] std::uint64_t bytes_passed() const;

  /// "<scheme>://<user>:<secret>@127.0.0.1:<port>", after open().
  [[nodiscard]] std::string proxy_url(std::string_view scheme) const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace propeller::net
