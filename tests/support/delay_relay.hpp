#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "support/environment.hpp"

namespace propeller::support {

struct DelayRelayOptions {
  std::uint16_t target_port = 0;                      ///< on 127.0.0.1
  std::chrono::microseconds one_way{0};               ///< each byte comes out so much later, in both directions
  std::size_t queue_bytes_max = 256UL * 1024 * 1024;  ///< per direction of a connection; a full queue stops reading
};

/// A TCP relay that is far away: it delays, without limiting the rate, and fails when told to.
///
/// Order:    per direction as in TCP.
/// Bound:    queue_bytes_max per direction.
/// Threads:  the relay's own; every method from any.
class DelayRelay {
 public:
  explicit DelayRelay(DelayRelayOptions options);
  ~DelayRelay();
  DelayRelay(const DelayRelay&) = delete;
  DelayRelay& operator=(const DelayRelay&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  void set_delay(std::chrono::microseconds one_way);
  void cut();    ///< resets every connection; new ones are taken
  void stall();  ///< reads nothing more, from either side; bytes that were read still come out
  void resume();
  /// Cuts by itself once so many bytes have gone to the target; 0: never.
  void cut_after(std::uint64_t bytes_up);

  [[nodiscard]] std::uint64_t bytes_up() const;     ///< read from who connected, since the start
  [[nodiscard]] std::uint64_t bytes_down() const;   ///< read from the target
  [[nodiscard]] std::uint64_t connections() const;  ///< accepted since the start

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace propeller::support
