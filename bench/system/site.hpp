#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/delay_relay.hpp"
#include "support/docker_registry.hpp"
#include "support/mosquitto.hpp"
#include "support/pusher.hpp"
#include "system/receiver.hpp"

namespace propeller::bench {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr int kWindow = 20;  ///< PROXY_MQTT_INFLIGHT, and the raw publisher's
inline constexpr std::uint64_t kChunkBytes = 512'000;

/// Broker, registry and images; bridges are started as a measurement needs them. Everything on loopback.
class Site {
 public:
  explicit Site(std::string program);

  /// `count` references to different images of this size; pushed when first asked for.
  std::vector<std::string> images(std::uint64_t size, std::size_t count);
  /// References to images that nobody has asked for yet.
  std::vector<std::string> fresh_images(std::uint64_t size, std::size_t count);

  /// Pushes it as this repository and returns the reference.
  std::string push(const std::string& repository, std::string_view module);

  struct BridgeOptions {
    int round_trip_ms = 0;
    std::vector<std::string> launcher = {};  ///< put before the program
    std::string broker_host = "127.0.0.1", registry_host = "127.0.0.1", health_host = "127.0.0.1";
  };
  /// With an empty spool; ends the one before.
  void start_bridge(const BridgeOptions& options);
  void start_bridge();
  void stop_bridge() { bridge_.reset(); }
  [[nodiscard]] support::Subprocess& bridge() { return *bridge_; }

  [[nodiscard]] std::uint16_t broker_port() const { return broker_.port(); }
  [[nodiscard]] std::string prefix() const { return "m/bench/c/bench/registry/"; }

 private:
  std::string program_;
  support::Mosquitto broker_;
  support::DockerRegistry registry_;
  support::Pusher pusher_;
  std::map<std::uint64_t, std::size_t> pushed_;
  std::uint64_t seed_ = 0;
  std::unique_ptr<support::TempDir> spool_;
  std::unique_ptr<support::DelayRelay> relay_;
  std::unique_ptr<support::Subprocess> bridge_;
};

}  // namespace propeller::bench
