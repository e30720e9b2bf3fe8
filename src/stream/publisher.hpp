#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "mqtt/session.hpp"
#include "stream/chunk_channel.hpp"

namespace propeller::stream {

/// The window of messages in flight to the broker, and what waits before it: manifests and statuses.
///
/// Order:    manifests go before statuses, statuses before chunks; each kind as given.
/// Bound:    `messages_max` messages in flight, whatever they are: Mosquitto drops what is above its limit at QoS 2
///           without a word on 3.1.1, and ends the connection on 5. One place of them is kept from bulk chunks. Chunks
///           also by the bytes given to has_room(). Statuses: kControlInFlightMax on their way, kControlQueuedMax and
///           kControlBytesMax waiting; then they are refused. Manifests: the owner bounds them, one a transfer.
/// Errors:   what the session refuses for good is dropped and counted; what got lost kLossesMax times too.
/// Threads:  one.
class Publisher {
 public:
  static constexpr std::size_t kControlInFlightMax = 16;
  static constexpr std::size_t kControlQueuedMax = 16'384;
  static constexpr std::size_t kControlBytesMax = 8 * 1024 * 1024;
  static constexpr std::uint32_t kLossesMax = 5;

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
  [[nodiscard]] bool has_room_for_small() const { return is_ready_ && in_flight_.size() < messages_max_; }

  /// False: the queue is full, the message is dropped.
  [[nodiscard]] bool queue_control(mqtt::Outgoing message);
  /// The manifest of a direct delivery, which has to leave before its chunks.
  void announce(LaneId lane, mqtt::Outgoing message) { manifests_.push_back({std::move(message), lane}); }
  void retract(LaneId lane);
  /// Sends what there is room for.
  void flush_control();

  /// What became of manifests since the last call.
  struct Announced {
    LaneId lane = 0;
    std::optional<Error> refused;  ///< else it has left
  };
  [[nodiscard]] std::vector<Announced> take_announced() { return std::exchange(announced_, {}); }

  /// What a token stood for.
  struct Sent {
    LaneId lane = 0;  ///< 0: a control message
    std::uint64_t index = 0;
    std::size_t raw_bytes = 0;
    std::size_t wire_bytes = 0;
  };
  [[nodiscard]] Result<void> send_chunk(mqtt::Outgoing message, Sent sent);

  /// The broker has it. Nothing for a control message.
  [[nodiscard]] std::optional<Sent> delivered(std::uint64_t token);
  /// What got lost, of a transfer.
  struct Lost {
    LaneId lane = 0;
    bool is_manifest = false;
  };
  /// It got lost: a status is queued again, in front, and nothing returned. A manifest the owner announces anew.
  [[nodiscard]] std::optional<Lost> undelivered(std::uint64_t token);

  [[nodiscard]] bool is_idle() const { return in_flight_.empty() && control_.empty() && manifests_.empty(); }
  /// Statuses that were given up. Grows.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Control {
    mqtt::Outgoing message;
    LaneId announces = 0;  ///< 0: a status
    std::uint32_t losses = 0;
  };
  struct InFlight {
    Sent sent;
    Control control;  ///< kept for the case that it gets lost
  };
  /// False: there is no connection now, the message is untouched.
  bool send_control(Control& control);
  std::optional<InFlight> take(std::uint64_t token);
  [[nodiscard]] bool has_place() const { return is_ready_ && in_flight_.size() < messages_max_; }

  Send send_;
  const std::uint32_t configured_max_;
  std::uint32_t messages_max_;
  bool is_ready_ = false;
  std::uint64_t next_token_ = 1;
  std::unordered_map<std::uint64_t, InFlight> in_flight_;
  std::deque<Control> manifests_;
  std::deque<Control> control_;
  std::vector<Announced> announced_;
  std::size_t control_bytes_ = 0;
  std::size_t chunks_in_flight_ = 0;
  std::size_t chunk_bytes_in_flight_ = 0;
  std::size_t control_in_flight_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace propeller::stream
