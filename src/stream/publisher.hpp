#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "mqtt/session.hpp"
#include "stream/chunk_channel.hpp"

namespace propeller::stream {

/// The window of messages in flight to the broker, and the queue of small ones (statuses, manifests) before it.
///
/// Order:    control messages go before chunks; each kind as given.
/// Bound:    chunks: `messages_max` and the bytes given to has_room(), one place kept for small images. Control
/// messages:
///           kControlInFlightMax on their way, kControlQueuedMax waiting; then they are refused.
/// Threads:  one.
class Publisher {
 public:
  static constexpr std::size_t kControlInFlightMax = 16;
  static constexpr std::size_t kControlQueuedMax = 4096;

  using Send = std::function<Result<void>(mqtt::Outgoing)>;

  Publisher(Send send, std::uint32_t messages_max)
      : send_(std::move(send)), configured_max_(messages_max), messages_max_(messages_max) {}

  void ready(const mqtt::BrokerLimits& limits);
  /// Every message in flight was settled before; nothing is sent until ready().
  void down() { is_ready_ = false; }
  [[nodiscard]] bool is_ready() const { return is_ready_; }

  /// May a chunk leave? `bytes_max` is what the session can hold unacknowledged.
  [[nodiscard]] bool has_room(std::size_t bytes_max) const;
  /// The same for a small image, which may use the place that is kept.
  [[nodiscard]] bool has_room_for_small() const { return is_ready_ && chunks_in_flight_ < messages_max_; }

  /// False: the queue is full, the message is dropped.
  [[nodiscard]] bool queue_control(mqtt::Outgoing message);
  void flush_control();
  /// Ahead of the queue and of its limits: a manifest, which has to leave before its chunks. The caller bounds them.
  void send_control_now(mqtt::Outgoing message);

  /// What a token stood for.
  struct Sent {
    LaneId lane = 0;  ///< 0: a control message
    std::uint64_t index = 0;
    std::size_t raw_bytes = 0;
    std::size_t wire_bytes = 0;
  };
  [[nodiscard]] bool send_chunk(mqtt::Outgoing message, Sent sent);

  /// The broker has it. Nothing for a control message.
  [[nodiscard]] std::optional<Sent> delivered(std::uint64_t token);
  /// It got lost: a control message is queued again, in front.
  void undelivered(std::uint64_t token);

  [[nodiscard]] bool is_idle() const { return in_flight_.empty() && control_.empty(); }

 private:
  struct InFlight {
    Sent sent;
    mqtt::Outgoing control;  ///< kept for the case that it gets lost
  };
  std::optional<InFlight> take(std::uint64_t token);

  Send send_;
  const std::uint32_t configured_max_;
  std::uint32_t messages_max_;
  bool is_ready_ = false;
  std::uint64_t next_token_ = 1;
  std::unordered_map<std::uint64_t, InFlight> in_flight_;
  std::deque<mqtt::Outgoing> control_;
  std::size_t chunks_in_flight_ = 0;
  std::size_t chunk_bytes_in_flight_ = 0;
  std::size_t control_in_flight_ = 0;
};

}  // namespace propeller::stream
