#pragma once

#include <string_view>

#include "base/error.hpp"

/// The library's and the broker's numbers as errors with a sentence a person can act on: pure functions.
/// Source: MQTT 3.1.1 section 3.2.2.3; MQTT 5.0 section 2.4.
namespace propeller::mqtt {

/// `code` is a CONNACK return code of MQTT 3.1.1 or a reason code of MQTT 5, or one of the library's (below 0).
[[nodiscard]] Error connect_error(std::string_view address, int code);
[[nodiscard]] Error subscribe_error(std::string_view filter, int code);
[[nodiscard]] Error publish_error(int code);
[[nodiscard]] Error disconnect_error(int reason_code);

}  // namespace propeller::mqtt
