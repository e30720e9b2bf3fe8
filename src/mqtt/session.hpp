#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/settings.hpp"

namespace propeller::mqtt {

struct Subscription {
  std::string filter = {};
  int qos = 1;
};

struct Incoming {
  std::string topic = {};
  std::string payload = {};
  std::string response_topic = {};    ///< MQTT 5
  std::string correlation_data = {};  ///< MQTT 5
};

struct Outgoing {
  std::string topic = {};
  std::string payload = {};
  int qos = 1;
  std::uint64_t token = 0;        ///< comes back in delivered() or undelivered()
  std::string content_type = {};  ///< MQTT 5, empty: left out (and so below)
  std::string correlation_data = {};
  std::optional<std::chrono::seconds> expiry = {};
};

/// What the broker said at connect, as far as it binds us.
struct BrokerLimits {
  std::optional<std::uint32_t> packet_size_max = {};  ///< bytes of a whole PUBLISH packet (MQTT 5)
  std::optional<std::uint16_t> receive_max = {};      ///< QoS 1 and 2 messages in flight (MQTT 5)
  std::optional<int> qos_max = {};
};

/// What a Session tells its owner, always on the owner's executor, never from within a call of the owner.
class SessionHandler {
 public:
  virtual ~SessionHandler() = default;
  /// Connected, and every subscription acknowledged.
  virtual void on_ready(const BrokerLimits& limits) = 0;
  /// Connection lost or refused; the session tries again by itself, with back-off. Every message in flight has
  /// been reported as undelivered before.
  virtual void on_down(const Error& why) = 0;
  virtual void on_message(Incoming message) = 0;
  /// The broker has taken the message (PUBACK, PUBCOMP; for QoS 0: written).
  virtual void on_delivered(std::uint64_t token) = 0;
  virtual void on_undelivered(std::uint64_t token, const Error& why) = 0;
};

struct SessionOptions {
  config::Mqtt mqtt;
  std::vector<Subscription> subscriptions;
  std::size_t message_bytes_max =
      16 * 1024 * 1024;                     ///< of a larger one the first message_bytes_max + 1 bytes are handed over
  std::size_t inbox_messages_max = 16'384;  ///< received and not yet handed over; more are dropped and counted
  std::size_t inbox_bytes_max = 32 * 1024 * 1024;  ///< the same in bytes
  std::chrono::milliseconds backoff_min{250}, backoff_max{30'000};
};

/// One clean session with a broker: connects, subscribes, reconnects for ever.
///
/// Order:    messages of one topic and QoS leave in the order of publish().
/// Bound:    the owner bounds what it publishes before acknowledgement (see Outgoing::token); received messages are
///           bounded by inbox_messages_max.
/// Errors:   a library that throws is caught inside; on_down() says what a person can do about it.
/// Threads:  every method on the owner's executor; the library's own threads never block on us.
/// Lifetime: `handler` outlives the session. After stop() nothing more is called. The destructor waits for the end of
///           what stop() began: for its grace and about a second more at most.
/// Source:   MQTT 3.1.1 and 5.0 (OASIS); PROTOCOL.md 1.1
class Session {
 public:
  Session(boost::asio::any_io_executor executor, SessionOptions options, SessionHandler& handler);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  /// Errors: disconnected, when there is no connection now; too_large, for more than the broker said it takes;
  ///         bad_request, for a topic that brokers drop the connection over. Nothing is reported for the token then.
  [[nodiscard]] Result<void> publish(Outgoing message);
  /// Disconnects after at most `grace` for what is in flight.
  void stop(std::chrono::milliseconds grace);

  [[nodiscard]] bool is_ready() const;
  /// How many bytes of unacknowledged messages the connection carries well: more would only wait in its buffers.
  /// One message may always be in flight. Changes with what is measured.
  [[nodiscard]] std::size_t window_bytes() const;
  /// Received messages that were cut or dropped: too large, or too many at once. Threads: any.
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace propeller::mqtt
