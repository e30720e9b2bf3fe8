#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::mqtt {

/// PROXY_MQTT_ADDRESS taken apart: "ssl://broker.example:8883", "ws://[::1]:9001/mqtt".
struct BrokerAddress {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
  bool is_tls = false;
  bool is_web_socket = false;
  std::string path = "/mqtt";  ///< of a WebSocket

  /// Schemes: tcp, mqtt (1883), ssl, mqtts (8883), ws (80), wss (443). Errors: bad_config.
  [[nodiscard]] static Result<BrokerAddress> parse(std::string_view text);
};

}  // namespace propeller::mqtt
