#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "base/error.hpp"
#include "config/settings.hpp"
#include "mqtt/session.hpp"

namespace propeller::mqtt {

/// What a link reports, from threads of the library.
namespace link_event {
struct Connected {
  BrokerLimits limits;
};
struct Subscribed {};  ///< every filter
struct Taken {         ///< the broker's last word on one message
  std::uint64_t sequence = 0;
  std::optional<Error> refusal;
};
struct Room {};  ///< the tunnel has taken more; once for every want_room()
struct Received {
  Incoming message;
};
struct Lost {  ///< or never connected, or a subscription refused; the link is of no use any more
  Error why;
};
}  // namespace link_event
using LinkEvent = std::variant<link_event::Connected, link_event::Subscribed, link_event::Taken, link_event::Room,
                               link_event::Received, link_event::Lost>;

/// One connection of the Paho client through a loopback tunnel (docs/adr/0002-loopback-tunnel.md), from connect to
/// loss; a session makes a new one for every attempt, so that nothing of an old connection can come back.
///
/// Threads:  open(), close() and the destructor on a thread that may block; subscribe() and publish() on any.
///           `sink` is called from the library's threads, which hold its locks: it must not block nor call the link.
/// Errors:   the library throws; nothing leaves this class.
class PahoLink {
 public:
  using Sink = std::function<void(LinkEvent)>;

  /// With MQTT 5 the broker is told that packets over `incoming_bytes_max` are not taken.
  PahoLink(config::Mqtt settings, std::size_t incoming_bytes_max, Sink sink);
  ~PahoLink();
  PahoLink(const PahoLink&) = delete;
  PahoLink& operator=(const PahoLink&) = delete;

  void open();
  /// open() returns soon; the connection is cut. Threads: any.
  void cancel();
  [[nodiscard]] Result<void> subscribe(const std::vector<Subscription>& subscriptions);
  /// Taken{sequence} follows, unless the link is lost before.
  [[nodiscard]] Result<void> publish(std::uint64_t sequence, Outgoing message);
  /// Bytes that the library has written, all of them. Threads: any.
  [[nodiscard]] std::uint64_t bytes_written() const;
  void want_room();
  /// Bytes have gone to the broker since the last question.
  [[nodiscard]] bool has_moved();
  /// Waits up to `grace` for what is in flight, then says goodbye. Nothing reaches the sink any more when it
  /// returns.
  void close(std::chrono::milliseconds grace);

 private:
  class Client;
  std::unique_ptr<Client> client_;
};

}  // namespace propeller::mqtt
