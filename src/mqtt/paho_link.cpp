#include "mqtt/paho_link.hpp"

#include <fmt/format.h>
#include <mqtt/async_client.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "mqtt/broker_address.hpp"
#include "mqtt/broker_text.hpp"
#include "net/loopback_tunnel.hpp"

namespace propeller::mqtt {

namespace {

// Our own window bounds what is in flight; the library's bounds would only add waiting.
constexpr int kLibraryInflightMax = 65'535;
constexpr std::chrono::milliseconds kGoodbyePatience{500};
constexpr int kFailureCodeMin = 0x80;
// TLS and WebSocket are the tunnel's: the library's own WebSocket loses its place in fragmented messages, and keeps
// what it read of one connection for the next (Paho C 1.3.12). The name goes no further than the tunnel.
constexpr const char* kThroughTunnel = "tcp://broker:1883";

int paho_version(config::MqttVersion version) {
  return version == config::MqttVersion::v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
}

::mqtt::create_options create_options_of(const config::Mqtt& settings) {
  return ::mqtt::create_options_builder()
      .mqtt_version(paho_version(settings.version))
      .send_while_disconnected(false)
      .max_buffered_messages(kLibraryInflightMax)
      .finalize();
}

net::TunnelOptions tunnel_options_of(const BrokerAddress& address, const config::Mqtt& settings) {
  net::TunnelOptions options{.target = {.host = address.host, .port = address.port}};
  // The rest of the time is for MQTT.
  options.connect_timeout = settings.timeout * 4 / 5;
  if (address.is_tls) {
    options.target.tls = net::TlsOptions{.ca_cert = settings.tls.ca_cert,
                                         .client_cert = settings.tls.client_cert,
                                         .client_key = settings.tls.client_key,
                                         .is_verification_skipped = settings.tls.is_verification_skipped};
  }
  if (address.is_web_socket)
    options.target.web_socket = net::WebSocketOptions{.path = address.path, .subprotocol = "mqtt"};
  return options;
}

std::string text_property(const ::mqtt::properties& properties, ::mqtt::property::code code) {
  return properties.contains(code) ? ::mqtt::get<std::string>(properties, code) : std::string();
}

BrokerLimits limits_in(const ::mqtt::properties& properties) {
  using ::mqtt::property;
  BrokerLimits limits;
  if (properties.contains(property::MAXIMUM_PACKET_SIZE))
    limits.packet_size_max = ::mqtt::get<std::uint32_t>(properties, property::MAXIMUM_PACKET_SIZE);
  if (properties.contains(property::RECEIVE_MAXIMUM))
    limits.receive_max = ::mqtt::get<std::uint16_t>(properties, property::RECEIVE_MAXIMUM);
  if (properties.contains(property::MAXIMUM_QOS))
    limits.qos_max = ::mqtt::get<std::uint8_t>(properties, property::MAXIMUM_QOS);
  return limits;
}

bool has_properties(const Outgoing& message) {
  return !message.content_type.empty() || !message.correlation_data.empty() || message.expiry.has_value();
}

::mqtt::properties properties_of(const Outgoing& message) {
  using ::mqtt::property;
  ::mqtt::properties properties;
  if (!message.content_type.empty()) properties.add(property(property::CONTENT_TYPE, message.content_type));
  if (!message.correlation_data.empty()) properties.add(property(property::CORRELATION_DATA, message.correlation_data));
  if (message.expiry)
    properties.add(property(property::MESSAGE_EXPIRY_INTERVAL, static_cast<std::int32_t>(message.expiry->count())));
  return properties;
}

}  // namespace

/// The library's client and its listeners. Its callbacks hold the library's lock.
class PahoLink::Client final : public virtual ::mqtt::iaction_listener {
 public:
  Client(config::Mqtt settings, std::size_t incoming_bytes_max, Sink sink)
      : settings_(std::move(settings)), incoming_bytes_max_(incoming_bytes_max), sink_(std::move(sink)) {
    address_ = BrokerAddress::parse(settings_.address);
    if (!address_) return;
    auto options = tunnel_options_of(*address_, settings_);
    options.on_taken = [this] {
      if (wants_room_.exchange(false)) tell(link_event::Room{});
    };
    tunnel_ = std::make_unique<net::LoopbackTunnel>(std::move(options));
  }

  void open() {
    if (!address_) return lose(address_.error());
    if (const auto opened = tunnel_->open(); !opened) {
      const auto& why = opened.error();
      return lose({why.code, why.origin, fmt::format("no broker answers at {}: {}", settings_.address, why.detail)});
    }
    try {
      connect();
    } catch (const ::mqtt::exception& error) {
      lose(Error{Code::bad_config, Origin::internal,
                 fmt::format("cannot use the broker address {}: {}", settings_.address, error.what())});
    }
  }

  Result<void> subscribe(const std::vector<Subscription>& subscriptions) {
    subscriptions_ = subscriptions;
    subscriptions_open_ = subscriptions.size();
    if (subscriptions.empty()) tell(link_event::Subscribed{});
    return call([&] {
      for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
        paho_->subscribe(subscriptions_[i].filter, subscriptions_[i].qos, context_of(Kind::subscribe, i), *this);
      }
    });
  }

  Result<void> publish(std::uint64_t sequence, Outgoing message) {
    const auto paho_message =
        ::mqtt::message::create(std::move(message.topic), std::move(message.payload), message.qos, false);
    if (settings_.version == config::MqttVersion::v5 && has_properties(message)) {
      // Paho C++ 1.2 leaves a moved or copied message with the old list's pointers: the list is set in place.
      paho_message->set_properties(properties_of(message));
    }
    {
      const std::lock_guard lock(mutex_);
      ++unacknowledged_;
    }
    auto published = call([&] { paho_->publish(paho_message, context_of(Kind::publish, sequence), *this); });
    if (!published) forget_one();
    // The C library has its own copy by now; keeping both until the acknowledgement would double the memory.
    paho_message->clear_payload();
    return published;
  }

  void cancel() {
    if (tunnel_) tunnel_->cancel();
  }

  std::uint64_t bytes_written() const { return tunnel_ ? tunnel_->bytes_taken() : 0; }
  void want_room() { wants_room_ = true; }

  bool has_moved() {
    const std::uint64_t bytes = tunnel_ ? tunnel_->bytes_passed() : 0;
    return std::exchange(bytes_seen_, bytes) != bytes;
  }

  void close(std::chrono::milliseconds grace) {
    is_silent_ = true;
    {
      std::unique_lock lock(mutex_);
      settled_.wait_for(lock, grace, [this] { return unacknowledged_ == 0 || is_lost_; });
    }
    if (!paho_) return;
    bool is_goodbye_sent = false;
    // Paho C++ 1.2 wakes who waits for a token, and only then lets go of the token: it has to outlive the client, whose
    // end waits for the callback.
    ::mqtt::token_ptr goodbye;
    try {
      if (paho_->is_connected()) {
        goodbye = paho_->disconnect(0);
        is_goodbye_sent = goodbye->wait_for(kGoodbyePatience);
      }
    } catch (const ::mqtt::exception&) {
      // It was going away by itself.
    }
    paho_.reset();
    if (is_goodbye_sent) tunnel_->finish(kGoodbyePatience);
  }

 private:
  enum class Kind : std::uint8_t { connect, subscribe, publish };

  // The library carries one pointer per operation: which one it is, and its number, without an allocation.
  static void* context_of(Kind kind, std::uint64_t number) {
    return reinterpret_cast<void*>(number << 2 | static_cast<std::uint64_t>(kind));
  }
  static std::pair<Kind, std::uint64_t> operation_of(const ::mqtt::token& token) {
    const auto bits = reinterpret_cast<std::uint64_t>(token.get_user_context());
    return {static_cast<Kind>(bits & 3), bits >> 2};
  }

  void connect() {
    paho_ = std::make_unique<::mqtt::async_client>(kThroughTunnel, settings_.client_id, create_options_of(settings_));
    paho_->set_message_callback([this](const ::mqtt::const_message_ptr& message) { received(*message); });
    paho_->set_connection_lost_handler([this](const std::string&) {
      lose(Error{Code::disconnected, Origin::upstream, "the connection to the broker was lost"});
    });
    paho_->set_disconnected_handler([this](const ::mqtt::properties&, ::mqtt::ReasonCode reason) {
      lose(disconnect_error(static_cast<int>(reason)));
    });

    ::mqtt::connect_options options;
    options.set_mqtt_version(paho_version(settings_.version));
    ::mqtt::properties properties;
    if (settings_.version == config::MqttVersion::v5) {
      options.set_clean_start(true);
      properties.add({::mqtt::property::MAXIMUM_PACKET_SIZE,
                      static_cast<std::int32_t>(std::min<std::size_t>(incoming_bytes_max_, INT32_MAX))});
      options.set_properties(properties);
    } else {
      options.set_clean_session(true);
    }
    options.set_keep_alive_interval(settings_.keep_alive);
    options.set_connect_timeout(std::chrono::ceil<std::chrono::seconds>(settings_.timeout));
    options.set_automatic_reconnect(false);
    options.set_max_inflight(kLibraryInflightMax);
    if (!settings_.username.empty()) options.set_user_name(settings_.username);
    if (!settings_.password.empty()) options.set_password(settings_.password.reveal());
    // Without it the library takes a proxy from the environment.
    options.set_http_proxy(tunnel_->proxy_url("http"));
    paho_->connect(options, context_of(Kind::connect, 0), *this);
  }

  Result<void> call(const std::function<void()>& operation) {
    try {
      operation();
      return {};
    } catch (const ::mqtt::exception& error) {
      return fail(Code::disconnected, Origin::upstream, fmt::format("the MQTT library refused: {}", error.what()));
    }
  }

  void on_success(const ::mqtt::token& token) override {
    const auto [kind, number] = operation_of(token);
    switch (kind) {
      case Kind::connect: return connected(token);
      case Kind::subscribe: return subscribed(number, token);
      case Kind::publish: return taken(number, std::nullopt);
    }
  }

  void on_failure(const ::mqtt::token& token) override {
    const auto [kind, number] = operation_of(token);
    const bool is_v5 = settings_.version == config::MqttVersion::v5;
    const int code = is_v5 && static_cast<int>(token.get_reason_code()) != 0 ? static_cast<int>(token.get_reason_code())
                                                                             : token.get_return_code();
    switch (kind) {
      case Kind::connect: return lose(connect_error(settings_.address, code));
      case Kind::subscribe: return lose(subscribe_error(subscriptions_[number].filter, code));
      case Kind::publish: return taken(number, publish_error(code));
    }
  }

  void connected(const ::mqtt::token& token) {
    try {
      tell(link_event::Connected{limits_in(token.get_connect_response().get_properties())});
    } catch (const std::exception&) {
      tell(link_event::Connected{});  // no answer to read: an old broker without properties
    }
  }

  void subscribed(std::uint64_t number, const ::mqtt::token& token) {
    try {
      for (const auto code : token.get_subscribe_response().get_reason_codes()) {
        if (static_cast<int>(code) >= kFailureCodeMin)
          return lose(subscribe_error(subscriptions_[number].filter, static_cast<int>(code)));
      }
    } catch (const std::exception&) {
      // A success without codes to look at.
    }
    if (--subscriptions_open_ == 0) tell(link_event::Subscribed{});
  }

  void taken(std::uint64_t sequence, std::optional<Error> refusal) {
    forget_one();
    tell(link_event::Taken{sequence, std::move(refusal)});
  }

  void received(const ::mqtt::message& message) {
    using ::mqtt::property;
    Incoming incoming{.topic = message.get_topic(),
                      .payload = message.get_payload_str(),
                      .response_topic = {},
                      .correlation_data = {}};
    if (settings_.version == config::MqttVersion::v5) {
      incoming.response_topic = text_property(message.get_properties(), property::RESPONSE_TOPIC);
      incoming.correlation_data = text_property(message.get_properties(), property::CORRELATION_DATA);
    }
    tell(link_event::Received{std::move(incoming)});
  }

  void lose(Error why) {
    {
      const std::lock_guard lock(mutex_);
      if (is_lost_) return;
      is_lost_ = true;
      settled_.notify_all();
    }
    tell(link_event::Lost{std::move(why)});
  }

  void forget_one() {
    const std::lock_guard lock(mutex_);
    if (--unacknowledged_ == 0) settled_.notify_all();
  }

  void tell(LinkEvent event) {
    if (!is_silent_) sink_(std::move(event));
  }

  const config::Mqtt settings_;
  const std::size_t incoming_bytes_max_;
  const Sink sink_;
  Result<BrokerAddress> address_;
  std::unique_ptr<net::LoopbackTunnel> tunnel_;
  std::uint64_t bytes_seen_ = 0;  ///< by has_moved()
  std::atomic<bool> wants_room_{false};
  std::vector<Subscription> subscriptions_;
  std::atomic<std::size_t> subscriptions_open_{0};
  std::atomic<bool> is_silent_{false};
  std::mutex mutex_;
  std::condition_variable settled_;
  std::size_t unacknowledged_ = 0;
  bool is_lost_ = false;
  std::unique_ptr<::mqtt::async_client> paho_;  ///< last: its destructor ends the callbacks
};

PahoLink::PahoLink(config::Mqtt settings, std::size_t incoming_bytes_max, Sink sink)
    : client_(std::make_unique<Client>(std::move(settings), incoming_bytes_max, std::move(sink))) {}
PahoLink::~PahoLink() { close({}); }

void PahoLink::open() { client_->open(); }
Result<void> PahoLink::subscribe(const std::vector<Subscription>& subscriptions) {
  return client_->subscribe(subscriptions);
}
Result<void> PahoLink::publish(std::uint64_t sequence, Outgoing message) {
  return client_->publish(sequence, std::move(message));
}
std::uint64_t PahoLink::bytes_written() const { return client_->bytes_written(); }
void PahoLink::want_room() { client_->want_room(); }
bool PahoLink::has_moved() { return client_->has_moved(); }
void PahoLink::cancel() { client_->cancel(); }
void PahoLink::close(std::chrono::milliseconds grace) { client_->close(grace); }

}  // namespace propeller::mqtt

// What the sanitizers cannot see into: Debian's Paho is built without them.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
/// The library leaks what is in its queue when a connection is lost, see docs/adr/0002-loopback-tunnel.md.
extern "C" const char* __lsan_default_suppressions() { return "leak:libpaho-mqtt3as\n"; }
#elif __has_feature(thread_sanitizer)
/// Its tokens are shared by reference counts that are atomic inside the library, too.
extern "C" const char* __tsan_default_suppressions() {
  return "race:mqtt::async_client::\nrace:mqtt::token::\nrace:mqtt::delivery_token::\n";
}
#endif
#endif
