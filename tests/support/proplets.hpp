#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/channel.hpp"
#include "support/mqtt_client.hpp"

/// The clients that are deployed (PROTOCOL 1.4), with the habits that bind the bridge.
namespace propeller::support {

/// The current Rust proplet: asks once, keeps the first copy of an index in any order, drops a chunk whose total
/// differs from the set in progress, forgets an incomplete set 300 s after its first chunk, gives up after 60 s.
class RustProplet {
 public:
  static constexpr milliseconds kGivesUpAfter{60'000};
  static constexpr std::chrono::seconds kSetLifetime{300};
  static constexpr std::size_t kPacketBytesMax = 10UL * 1024 * 1024;

  RustProplet(MqttClientOptions options, ChannelTopics topics, int qos = 2);

  void request(const std::string& app_name);
  /// The module, once its set is complete.
  std::optional<std::string> wait_module(const std::string& app_name, milliseconds limit = kGivesUpAfter);
  [[nodiscard]] std::size_t chunks_held(const std::string& app_name) const;
  [[nodiscard]] int connections() const { return client_->connections(); }
  [[nodiscard]] std::size_t duplicates() const;
  [[nodiscard]] std::size_t dropped() const;  ///< wrong total, too large, no chunk at all

 private:
  struct Set {
    std::uint64_t total = 0;
    std::chrono::steady_clock::time_point begun;
    std::map<std::uint64_t, std::string> chunks;
  };
  void take(const MqttMessage& message);

  ChannelTopics topics_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Set> sets_;
  std::map<std::string, std::string> modules_;
  std::size_t duplicates_ = 0, dropped_ = 0;
  std::unique_ptr<MqttClient> client_;
};

/// The older Go proplet: appends what arrives, whatever its index, and takes the module when it has `total_chunks`
/// pieces. No de-duplication, no time-out.
class GoProplet {
 public:
  GoProplet(MqttClientOptions options, ChannelTopics topics, int qos = 1);

  void request(const std::string& app_name);
  /// The `count`-th module that was assembled under this name (1: the first).
  std::optional<std::string> wait_module(const std::string& app_name, std::size_t count = 1,
                                         milliseconds limit = milliseconds(60'000));
  [[nodiscard]] std::size_t chunks_held(const std::string& app_name) const;  ///< of the set in progress

 private:
  struct Set {
    std::string bytes;
    std::uint64_t count = 0;
    std::vector<std::string> modules;
  };
  void take(const MqttMessage& message);

  ChannelTopics topics_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Set> sets_;
  std::unique_ptr<MqttClient> client_;
};

/// The embedded C proplet on Zephyr, on a socket of its own: a message of more than 1023 bytes wedges it (it never
/// reads again), one chunk is the whole module whatever its index, and it never acknowledges QoS 1.
///
/// Threads: one of its own.
class EmbeddedProplet {
 public:
  static constexpr std::size_t kMessageBytesMax = 1023;

  EmbeddedProplet(std::uint16_t port, ChannelTopics topics, int qos = 0);
  ~EmbeddedProplet();
  EmbeddedProplet(const EmbeddedProplet&) = delete;
  EmbeddedProplet& operator=(const EmbeddedProplet&) = delete;

  void request(const std::string& app_name);
  std::optional<std::string> wait_module(milliseconds limit = kPatience);
  [[nodiscard]] bool is_wedged() const;

 private:
  void run();
  [[nodiscard]] bool read_exactly(std::string& out, std::size_t size) const;
  [[nodiscard]] bool read_packet(std::uint8_t& type, std::string& body);
  void take_publish(std::uint8_t flags, const std::string& body);
  void send_packet(std::uint8_t type, const std::string& body) const;

  ChannelTopics topics_;
  int fd_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool is_subscribed_ = false, is_wedged_ = false;
  std::string requested_;
  std::optional<std::string> module_;
  std::jthread thread_;
};

}  // namespace propeller::support
