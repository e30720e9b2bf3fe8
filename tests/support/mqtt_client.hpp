#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "support/environment.hpp"

struct mosquitto;
struct mosquitto_message;
struct mqtt5__property;

namespace propeller::support {

struct MqttMessage {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool is_retained = false;
  std::string content_type, correlation_data, response_topic;  ///< MQTT 5
  std::optional<std::uint32_t> expiry_seconds;                 ///< MQTT 5
};

struct MqttClientOptions {
  std::uint16_t port = 0;
  std::string client_id = {};  ///< empty: one of the library's
  std::string username = {}, password = {};
  bool is_v5 = false;
  std::filesystem::path ca = {}, certificate = {}, key = {};  ///< TLS when `ca` is set
  std::function<void(const MqttMessage&)> on_message = {};    ///< instead of the inbox; on the client's own thread
};

/// A device's MQTT client for tests, on libmosquitto: every call waits for its answer. Reconnects and subscribes
/// again when the broker goes away, as the deployed clients do.
///
/// Bound:  the inbox is not bounded: a test that lets it fill is wrong.
/// Errors: throws when a call is refused or not answered within kPatience.
class MqttClient {
 public:
  explicit MqttClient(MqttClientOptions options);
  ~MqttClient();
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;

  void subscribe(const std::string& filter, int qos = 1);
  /// Returns when the broker has taken it (QoS 0: when it is written).
  void publish(const std::string& topic, std::string_view payload, int qos = 1);
  /// Hands it to the library and does not wait.
  void publish_later(const std::string& topic, std::string_view payload, int qos = 1);
  /// MQTT 5 request with Response Topic and Correlation Data.
  void publish_request(const std::string& topic, std::string_view payload, const std::string& response_topic,
                       std::string_view correlation_data);

  using Predicate = std::function<bool(const MqttMessage&)>;
  /// Takes the first message out of the inbox for which it is true, waiting for it if it has to come yet.
  std::optional<MqttMessage> wait(const Predicate& wanted, milliseconds limit = kPatience);
  std::optional<MqttMessage> wait_topic(const std::string& topic, milliseconds limit = kPatience);
  /// How many of the messages in the inbox it is true for.
  [[nodiscard]] std::size_t count(const Predicate& wanted) const;
  void clear();

  [[nodiscard]] bool is_connected() const;
  /// Made so far. One made again counts once its filters are subscribed: before, messages would be lost on it.
  [[nodiscard]] int connections() const;

 private:
  struct Callbacks;
  int publish_with(const std::string& topic, std::string_view payload, int qos, const mqtt5__property* properties);
  void wait_taken(int message_id);

  MqttClientOptions options_;
  mosquitto* client_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<MqttMessage> inbox_;
  std::map<std::string, int> filters_;
  std::map<int, int> subscribed_;  ///< message id and granted QoS
  std::set<int> resubscribing_;    ///< message ids, of this connection
  std::set<int> taken_;
  std::set<int> published_later_;
  bool is_connected_ = false;
  int refused_ = 0;
  int connections_ = 0;
};

}  // namespace propeller::support
