#include "mqtt/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <map>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "mqtt/paho_link.hpp"
#include "mqtt/send_window.hpp"
#include "mqtt/topics.hpp"

namespace propeller::mqtt {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

// A connection has to last so long before the next failure counts as the first one again.
constexpr std::chrono::seconds kStableAfter{10};
constexpr int kBackoffDoublingsMax = 16;
// MQTT's own bound on a packet, and more than any header and property list of ours takes.
constexpr std::size_t kPacketBytesMax = 268'435'455;
constexpr std::size_t kPacketOverheadBytes = 64;
// The send buffer of a socket on loopback holds more than this from the start (2.6 MB with Linux's defaults).
constexpr std::size_t kUnwrittenBytesMax = std::size_t{1536} * 1024;
// With MQTT 5 a broker keeps larger packets to itself, and nobody would be told that a request was too large.
constexpr std::size_t kPacketBytesAnnouncedMin = std::size_t{16} * 1024 * 1024;

/// Messages between the library's threads and the owner, counted on both sides.
struct Inbox {
  std::atomic<std::size_t> messages{0};
  std::atomic<std::size_t> bytes{0};
  std::atomic<std::uint64_t> dropped{0};
};

std::size_t size_of(const Incoming& message) {
  return message.topic.size() + message.payload.size() + message.response_topic.size() +
         message.correlation_data.size();
}

/// An upper bound of the packet.
std::size_t size_of(const Outgoing& message) {
  return message.payload.size() + message.topic.size() + message.content_type.size() + message.correlation_data.size() +
         kPacketOverheadBytes;
}

}  // namespace

struct Session::State : std::enable_shared_from_this<State> {
  enum class Phase { idle, waiting, connecting, subscribing, ready, stopped };
  struct InFlight {
    std::uint64_t token = 0;
    SendWindow::Sent sent;
    bool is_counted = false;  ///< against the broker's Receive Maximum
  };

  State(asio::any_io_executor where, SessionOptions what, SessionHandler& who)
      : executor(std::move(where)),
        options(std::move(what)),
        handler(who),
        retry_timer(executor),
        patience_timer(executor) {}

  void connect();
  void abandon(const Error& why);
  void retry_later();
  void arm_patience();
  void check_patience();
  Result<void> publish(Outgoing message);
  [[nodiscard]] bool may_send(const Outgoing& message);
  [[nodiscard]] bool has_room(std::size_t bytes);
  Result<void> send(std::uint64_t sequence, Outgoing message);
  void send_held();
  void stop(std::chrono::milliseconds grace);

  PahoLink::Sink sink_of(std::uint64_t generation);
  void on_event(std::uint64_t from, LinkEvent event);
  void on(link_event::Connected& event);
  void on(link_event::Subscribed& event);
  void on(link_event::Taken& event);
  void on(link_event::Room& event);
  void on(link_event::Received& event);
  void on(link_event::Lost& event);

  asio::any_io_executor executor;
  const SessionOptions options;
  SessionHandler& handler;
  Phase phase = Phase::idle;
  BrokerLimits limits;
  std::shared_ptr<PahoLink> link;
  std::uint64_t generation = 0;                 ///< of the link; events of older ones are not for us
  std::map<std::uint64_t, InFlight> in_flight;  ///< those in `held` too
  std::deque<std::pair<std::uint64_t, Outgoing>> held;
  std::size_t counted = 0;
  std::size_t with_library = 0;   ///< messages in flight that are not held
  std::uint64_t handed_over = 0;  ///< bytes given to the library, to compare with what it has written
  std::uint64_t next_sequence = 0;
  int failures = 0;
  SendWindow window;
  Clock::time_point ready_since, last_progress;
  bool is_patience_armed = false;
  asio::steady_timer retry_timer, patience_timer;
  const std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  asio::thread_pool blocking{1};  ///< for what the library may block in; ~Session joins it
};

PahoLink::Sink Session::State::sink_of(std::uint64_t from) {
  return [self = weak_from_this(), where = executor, box = inbox, limit = options, from](LinkEvent event) {
    std::size_t size = 0;
    if (auto* received = std::get_if<link_event::Received>(&event)) {
      // Too large to be kept, but whoever sent it is told so: one byte over the limit is enough for that.
      if (auto& payload = received->message.payload; payload.size() > limit.message_bytes_max) {
        payload = payload.substr(0, limit.message_bytes_max + 1);
        ++box->dropped;
      }
      size = size_of(received->message);
      // The library has one receiving thread, so nobody takes the room between the question and the count.
      if (box->messages >= limit.inbox_messages_max || box->bytes + size > limit.inbox_bytes_max) {
        ++box->dropped;
        return;
      }
      ++box->messages;
      box->bytes += size;
    }
    asio::post(where, [self, from, box, size, event = std::move(event)]() mutable {
      if (std::holds_alternative<link_event::Received>(event)) {
        --box->messages;
        box->bytes -= size;
      }
      if (const auto state = self.lock()) state->on_event(from, std::move(event));
    });
  };
}

void Session::State::connect() {
  phase = Phase::connecting;
  limits = {};
  window = {};
  counted = with_library = 0;
  handed_over = 0;
  ++generation;
  link = std::make_shared<PahoLink>(options.mqtt, std::max(options.message_bytes_max, kPacketBytesAnnouncedMin),
                                    sink_of(generation));
  asio::post(blocking, [opened = link] { opened->open(); });
  last_progress = Clock::now();
  arm_patience();
}

/// Gives the link up, tells the owner, and tries again later.
void Session::State::abandon(const Error& why) {
  link->cancel();
  asio::post(blocking, [lost = std::exchange(link, nullptr)] { lost->close({}); });
  ++generation;
  failures = phase == Phase::ready && Clock::now() - ready_since > kStableAfter ? 1 : failures + 1;
  phase = Phase::waiting;
  held.clear();
  for (const auto& [sequence, message] : std::exchange(in_flight, {})) {
    handler.on_undelivered(message.token, why);
    if (phase == Phase::stopped) return;
  }
  handler.on_down(why);
  if (phase != Phase::stopped) retry_later();
}

void Session::State::retry_later() {
  const auto ceiling =
      std::min(options.backoff_max, options.backoff_min * (1 << std::min(failures - 1, kBackoffDoublingsMax)));
  // Bridges and devices that lost the same broker must not come back all at once.
  retry_timer.expires_after(std::chrono::duration_cast<Clock::duration>(ceiling * (0.5 + base::random_unit() / 2)));
  retry_timer.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
    const auto state = self.lock();
    if (!error && state && state->phase == Phase::waiting) state->connect();
  });
}

void Session::State::arm_patience() {
  if (std::exchange(is_patience_armed, true)) return;
  patience_timer.expires_at(last_progress + options.mqtt.timeout);
  patience_timer.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
    const auto state = self.lock();
    if (error || !state) return;
    state->is_patience_armed = false;
    state->check_patience();
  });
}

void Session::State::check_patience() {
  const bool is_waiting_for_broker =
      phase == Phase::connecting || phase == Phase::subscribing || (phase == Phase::ready && !in_flight.empty());
  if (!is_waiting_for_broker) return;
  // A large message over a slow link takes longer than any acknowledgement may: bytes that go count as well.
  if (phase == Phase::ready && link->has_moved()) last_progress = Clock::now();
  if (Clock::now() < last_progress + options.mqtt.timeout) return arm_patience();
  abandon({Code::disconnected, Origin::upstream,
           fmt::format("the broker at {} did not {} within {} ms", options.mqtt.address,
                       phase == Phase::ready ? "acknowledge a message" : "complete the connection",
                       options.mqtt.timeout.count())});
}

void Session::State::on_event(std::uint64_t from, LinkEvent event) {
  if (from != generation || phase == Phase::stopped) return;
  std::visit([this](auto& what) { on(what); }, event);
}

void Session::State::on(link_event::Connected& event) {
  phase = Phase::subscribing;
  limits = event.limits;
  last_progress = Clock::now();
  if (const auto asked = link->subscribe(options.subscriptions); !asked) abandon(asked.error());
}

void Session::State::on(link_event::Subscribed&) {
  phase = Phase::ready;
  ready_since = Clock::now();
  // Asked for at last_progress, nothing else on the way: the bare round trip.
  if (!options.subscriptions.empty()) window.round_trip(ready_since - last_progress);
  last_progress = ready_since;
  handler.on_ready(limits);
}

void Session::State::on(link_event::Taken& event) {
  const auto found = in_flight.find(event.sequence);
  if (found == in_flight.end()) return;
  const InFlight message = found->second;
  in_flight.erase(found);
  last_progress = Clock::now();
  window.taken(message.sent, last_progress);
  --with_library;
  if (message.is_counted) --counted;
  if (event.refusal) {
    handler.on_undelivered(message.token, *event.refusal);
  } else {
    handler.on_delivered(message.token);
  }
  send_held();
}

void Session::State::on(link_event::Room&) { send_held(); }

void Session::State::on(link_event::Received& event) { handler.on_message(std::move(event.message)); }

void Session::State::on(link_event::Lost& event) { abandon(event.why); }

Result<void> Session::State::publish(Outgoing message) {
  if (phase != Phase::ready)
    return fail(Code::disconnected, Origin::upstream, "there is no connection to the broker now");
  if (!is_publish_topic(message.topic))
    return fail(Code::bad_request, Origin::client, "not a topic that can be published to");
  const std::size_t bytes = size_of(message);
  const std::size_t bytes_max = limits.packet_size_max.value_or(kPacketBytesMax);
  if (bytes > bytes_max)
    return fail(Code::too_large, Origin::upstream,
                fmt::format("the broker takes packets of at most {} bytes", bytes_max));
  message.qos = std::min(message.qos, limits.qos_max.value_or(2));

  if (in_flight.empty()) last_progress = Clock::now();
  const std::uint64_t sequence = next_sequence++;
  in_flight.emplace(sequence, InFlight{.token = message.token});
  arm_patience();
  if (!held.empty() || !may_send(message)) {
    held.emplace_back(sequence, std::move(message));
    return {};
  }
  auto sent = send(sequence, std::move(message));
  if (!sent) in_flight.erase(sequence);
  return sent;
}

/// The library would hold a message back by itself, but then looks at it again once a second only.
bool Session::State::may_send(const Outgoing& message) {
  if (message.qos > 0 && counted >= limits.receive_max.value_or(std::numeric_limits<std::uint16_t>::max()))
    return false;
  if (has_room(size_of(message))) return true;
  link->want_room();
  // It may have been made between the question and the wish.
  return has_room(size_of(message));
}

/// The library gets a message only when it can write it at once. What it would have to queue waits for up to a second
/// after a full socket, and is leaked by MQTTAsync_destroy (Paho C 1.3.12) when the connection is lost before.
bool Session::State::has_room(std::size_t bytes) {
  const std::uint64_t written = link->bytes_written();
  // An upper bound is counted, which would run away for ever; what is acknowledged has been written.
  if (with_library == 0 || handed_over < written) handed_over = written;
  return handed_over == written || handed_over - written + bytes <= kUnwrittenBytesMax;
}

Result<void> Session::State::send(std::uint64_t sequence, Outgoing message) {
  const std::size_t bytes = message.payload.size(), packet_bytes = size_of(message);
  const bool is_counted = message.qos > 0;
  auto sent = link->publish(sequence, std::move(message));
  if (!sent) return sent;
  ++with_library;
  handed_over += packet_bytes;
  InFlight& entry = in_flight.at(sequence);
  entry.sent = window.sent(bytes, Clock::now());
  entry.is_counted = is_counted;
  if (is_counted) ++counted;
  return {};
}

void Session::State::send_held() {
  while (phase == Phase::ready && !held.empty() && may_send(held.front().second)) {
    auto [sequence, message] = std::move(held.front());
    held.pop_front();
    const std::uint64_t token = message.token;
    const auto sent = send(sequence, std::move(message));
    if (sent) continue;
    in_flight.erase(sequence);
    handler.on_undelivered(token, sent.error());
  }
}

void Session::State::stop(std::chrono::milliseconds grace) {
  if (phase == Phase::stopped) return;
  const bool was_ready = std::exchange(phase, Phase::stopped) == Phase::ready;
  ++generation;
  retry_timer.cancel();
  patience_timer.cancel();
  in_flight.clear();
  if (!link) return;
  if (!was_ready) link->cancel();
  // The library sends them as acknowledgements come, slowly, and the grace is for that.
  for (auto& [sequence, message] : held) (void)link->publish(sequence, std::move(message));
  held.clear();
  asio::post(blocking, [last = std::exchange(link, nullptr), grace] { last->close(grace); });
}

Session::Session(boost::asio::any_io_executor executor, SessionOptions options, SessionHandler& handler)
    : state_(std::make_shared<State>(std::move(executor), std::move(options), handler)) {}

Session::~Session() {
  state_->stop({});
  state_->blocking.join();
}

void Session::start() {
  ASSERT(state_->phase == State::Phase::idle);
  state_->phase = State::Phase::waiting;
  asio::post(state_->executor, [self = state_->weak_from_this()] {
    const auto state = self.lock();
    if (state && state->phase == State::Phase::waiting) state->connect();
  });
}

Result<void> Session::publish(Outgoing message) { return state_->publish(std::move(message)); }
void Session::stop(std::chrono::milliseconds grace) { state_->stop(grace); }
bool Session::is_ready() const { return state_->phase == State::Phase::ready; }
std::size_t Session::window_bytes() const { return state_->window.bytes(); }
std::uint64_t Session::dropped() const { return state_->inbox->dropped; }

}  // namespace propeller::mqtt
