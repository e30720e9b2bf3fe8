#include "support/mqtt_client.hpp"

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace propeller::support {
namespace {

void check(int result, std::string_view what) {
  if (result != MOSQ_ERR_SUCCESS) throw std::runtime_error(std::string(what) + ": " + mosquitto_strerror(result));
}

struct Library {
  Library() { mosquitto_lib_init(); }
  ~Library() { mosquitto_lib_cleanup(); }
};

std::string text_property(const mosquitto_property* properties, int identifier) {
  char* text = nullptr;
  if (mosquitto_property_read_string(properties, identifier, &text, false) == nullptr) return {};
  std::string copy(text);
  std::free(text);
  return copy;
}

std::string binary_property(const mosquitto_property* properties, int identifier) {
  void* bytes = nullptr;
  std::uint16_t size = 0;
  if (mosquitto_property_read_binary(properties, identifier, &bytes, &size, false) == nullptr) return {};
  std::string copy(static_cast<const char*>(bytes), size);
  std::free(bytes);
  return copy;
}

MqttMessage message_of(const mosquitto_message& message, const mosquitto_property* properties) {
  MqttMessage result{
      .topic = message.topic,
      .payload = std::string(static_cast<const char*>(message.payload), static_cast<std::size_t>(message.payloadlen)),
      .qos = message.qos,
      .is_retained = message.retain,
      .content_type = {},
      .correlation_data = {},
      .response_topic = {},
      .expiry_seconds = {}};
  if (properties == nullptr) return result;
  result.content_type = text_property(properties, MQTT_PROP_CONTENT_TYPE);
  result.response_topic = text_property(properties, MQTT_PROP_RESPONSE_TOPIC);
  result.correlation_data = binary_property(properties, MQTT_PROP_CORRELATION_DATA);
  std::uint32_t expiry = 0;
  if (mosquitto_property_read_int32(properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, &expiry, false) != nullptr)
    result.expiry_seconds = expiry;
  return result;
}

}  // namespace

struct MqttClient::Callbacks {
  static MqttClient& self(void* object) { return *static_cast<MqttClient*>(object); }

  static void connected(mosquitto* client, void* object, int result, int, const mosquitto_property*) {
    auto& me = self(object);
    const std::lock_guard lock(me.mutex_);
    if (result != 0) {
      me.refused_ = result;
    } else {
      me.is_connected_ = true;
      me.resubscribing_.clear();
      for (const auto& [filter, qos] : me.filters_) {
        int id = 0;
        if (mosquitto_subscribe(client, &id, filter.c_str(), qos) == MOSQ_ERR_SUCCESS) me.resubscribing_.insert(id);
      }
      if (me.resubscribing_.empty()) ++me.connections_;
    }
    me.changed_.notify_all();
  }

  static void disconnected(mosquitto*, void* object, int, const mosquitto_property*) {
    auto& me = self(object);
    const std::lock_guard lock(me.mutex_);
    me.is_connected_ = false;
    me.changed_.notify_all();
  }

  static void subscribed(mosquitto*, void* object, int id, int count, const int* granted, const mosquitto_property*) {
    auto& me = self(object);
    const std::lock_guard lock(me.mutex_);
    me.subscribed_[id] = count > 0 ? granted[0] : 128;
    if (me.resubscribing_.erase(id) != 0 && me.resubscribing_.empty()) ++me.connections_;
    me.changed_.notify_all();
  }

  static void published(mosquitto*, void* object, int id, int, const mosquitto_property*) {
    auto& me = self(object);
    const std::lock_guard lock(me.mutex_);
    if (me.published_later_.erase(id) == 0) me.taken_.insert(id);
    me.changed_.notify_all();
  }

  static void message(mosquitto*, void* object, const mosquitto_message* message,
                      const mosquitto_property* properties) {
    auto& me = self(object);
    auto copy = message_of(*message, properties);
    if (me.options_.on_message) {
      me.options_.on_message(copy);
      return;
    }
    const std::lock_guard lock(me.mutex_);
    me.inbox_.push_back(std::move(copy));
    me.changed_.notify_all();
  }
};

MqttClient::MqttClient(MqttClientOptions options) : options_(std::move(options)) {
  static const Library library;
  client_ = mosquitto_new(options_.client_id.empty() ? nullptr : options_.client_id.c_str(), true, this);
  if (client_ == nullptr) throw std::runtime_error("no memory for an MQTT client");
  mosquitto_int_option(client_, MOSQ_OPT_PROTOCOL_VERSION, options_.is_v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
  mosquitto_int_option(client_, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_connect_v5_callback_set(client_, Callbacks::connected);
  mosquitto_disconnect_v5_callback_set(client_, Callbacks::disconnected);
  mosquitto_subscribe_v5_callback_set(client_, Callbacks::subscribed);
  mosquitto_publish_v5_callback_set(client_, Callbacks::published);
  mosquitto_message_v5_callback_set(client_, Callbacks::message);
  mosquitto_reconnect_delay_set(client_, 1, 1, false);
  if (!options_.username.empty())
    mosquitto_username_pw_set(client_, options_.username.c_str(), options_.password.c_str());
  const auto name_or_null = [](const std::filesystem::path& path) { return path.empty() ? nullptr : path.c_str(); };
  if (!options_.ca.empty())
    check(mosquitto_tls_set(client_, options_.ca.c_str(), nullptr, name_or_null(options_.certificate),
                            name_or_null(options_.key), nullptr),
          "TLS files");
  try {
    check(mosquitto_connect(client_, "127.0.0.1", options_.port, 30), "connect");
    check(mosquitto_loop_start(client_), "loop");
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [this] { return is_connected_ || refused_ != 0; }))
      throw std::runtime_error("no CONNACK from the broker");
    if (refused_ != 0) throw std::runtime_error("the broker refused: " + std::to_string(refused_));
  } catch (...) {
    mosquitto_disconnect(client_);
    mosquitto_loop_stop(client_, true);
    mosquitto_destroy(client_);
    throw;
  }
}

MqttClient::~MqttClient() {
  mosquitto_disconnect(client_);
  mosquitto_loop_stop(client_, false);  // a thread that is cancelled leaves its mutex locked
  mosquitto_destroy(client_);
}

void MqttClient::subscribe(const std::string& filter, int qos) {
  int id = 0;
  {
    const std::lock_guard lock(mutex_);
    filters_[filter] = qos;
  }
  check(mosquitto_subscribe(client_, &id, filter.c_str(), qos), "subscribe");
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return subscribed_.contains(id); }))
    throw std::runtime_error("no SUBACK for " + filter);
  if (subscribed_[id] > 2) throw std::runtime_error("subscription refused: " + filter);
}

int MqttClient::publish_with(const std::string& topic, std::string_view payload, int qos,
                             const mqtt5__property* properties) {
  int id = 0;
  check(mosquitto_publish_v5(client_, &id, topic.c_str(), static_cast<int>(payload.size()), payload.data(), qos, false,
                             properties),
        "publish");
  return id;
}

void MqttClient::wait_taken(int message_id) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return taken_.erase(message_id) != 0; }))
    throw std::runtime_error("the broker does not take a message");
}

void MqttClient::publish(const std::string& topic, std::string_view payload, int qos) {
  wait_taken(publish_with(topic, payload, qos, nullptr));
}

void MqttClient::publish_later(const std::string& topic, std::string_view payload, int qos) {
  const int id = publish_with(topic, payload, qos, nullptr);
  const std::lock_guard lock(mutex_);
  if (taken_.erase(id) == 0) published_later_.insert(id);
}

void MqttClient::publish_request(const std::string& topic, std::string_view payload, const std::string& response_topic,
                                 std::string_view correlation_data) {
  mosquitto_property* properties = nullptr;
  check(mosquitto_property_add_string(&properties, MQTT_PROP_RESPONSE_TOPIC, response_topic.c_str()), "property");
  check(mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, correlation_data.data(),
                                      static_cast<std::uint16_t>(correlation_data.size())),
        "property");
  const int id = publish_with(topic, payload, 1, properties);
  mosquitto_property_free_all(&properties);
  wait_taken(id);
}

std::optional<MqttMessage> MqttClient::wait(const Predicate& wanted, milliseconds limit) {
  std::unique_lock lock(mutex_);
  std::optional<MqttMessage> found;
  // What was looked at once is not looked at again: a 50 MB broadcast must not cost the square of its chunks.
  std::size_t seen = 0;
  changed_.wait_for(lock, limit, [&] {
    for (; seen < inbox_.size(); ++seen) {
      if (!wanted(inbox_[seen])) continue;
      found = std::move(inbox_[seen]);
      inbox_.erase(inbox_.begin() + static_cast<std::ptrdiff_t>(seen));
      return true;
    }
    return false;
  });
  return found;
}

std::optional<MqttMessage> MqttClient::wait_topic(const std::string& topic, milliseconds limit) {
  return wait([&](const MqttMessage& message) { return message.topic == topic; }, limit);
}

std::size_t MqttClient::count(const Predicate& wanted) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(inbox_, wanted));
}

void MqttClient::clear() {
  const std::lock_guard lock(mutex_);
  inbox_.clear();
}

bool MqttClient::is_connected() const {
  const std::lock_guard lock(mutex_);
  return is_connected_;
}

int MqttClient::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

}  // namespace propeller::support
