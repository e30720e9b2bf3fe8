#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/mqtt_client.hpp"

namespace propeller::support {

/// The topics of one channel (PROTOCOL 1.1), written out here once more: the product's own code is under test.
struct ChannelTopics {
  std::string prefix;  ///< with the trailing slash

  [[nodiscard]] std::string request() const { return prefix + "proplet"; }
  [[nodiscard]] std::string chunks() const { return prefix + "server"; }
  [[nodiscard]] std::string status() const { return prefix + "status"; }
};

[[nodiscard]] ChannelTopics classic_topics(const std::string& channel);
[[nodiscard]] ChannelTopics domain_messages_topics(const std::string& domain, const std::string& channel);
[[nodiscard]] ChannelTopics domain_topics(const std::string& tenant, const std::string& channel);

struct Chunk {
  std::string app_name;
  std::uint64_t index = 0;
  std::uint64_t total = 0;
  std::string data;
};

/// A chunk message as the deployed clients read it: all four fields of the right type, or nothing.
[[nodiscard]] std::optional<Chunk> parse_chunk(std::string_view json);

/// {"app_name":"…"}
[[nodiscard]] std::string request_for(const std::string& app_name);

/// Hears everything on a channel: for tests that judge the bridge and not a device.
///
/// Bound: keeps every message's head, no data.
class ChannelWatch {
 public:
  struct Event {
    std::string topic;
    std::size_t payload_bytes = 0;
    std::string app_name;
    std::optional<std::uint64_t> index, total;  ///< of a chunk
    std::size_t data_bytes = 0;                 ///< of a chunk, decoded
    nlohmann::json status;                      ///< of a status message, else null
    int qos = 0;
    bool is_retained = false;
    std::string text;  ///< payload of what is neither chunk nor status
  };

  ChannelWatch(MqttClientOptions options, ChannelTopics topics);

  [[nodiscard]] MqttClient& client() { return *client_; }
  void request(const std::string& app_name);
  void request(const nlohmann::json& wish);

  /// The first event, past or future, for which it is true.
  std::optional<Event> wait(const std::function<bool(const Event&)>& wanted, milliseconds limit = kPatience);
  std::optional<nlohmann::json> wait_status(const std::string& app_name, const std::string& state,
                                            milliseconds limit = kPatience);
  std::optional<Event> wait_chunk(const std::string& app_name, std::uint64_t index, milliseconds limit = kPatience);
  [[nodiscard]] std::vector<Event> events() const;
  [[nodiscard]] std::vector<std::uint64_t> indices(
      const std::string& app_name) const;  ///< of chunks, in order of arrival
  [[nodiscard]] std::size_t count(const std::function<bool(const Event&)>& wanted) const;
  void clear();

 private:
  void take(const MqttMessage& message);

  ChannelTopics topics_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  std::unique_ptr<MqttClient> client_;
};

}  // namespace propeller::support
