// Everything a device or a bridge may be sent on MQTT: any text has to end in a value or a bad_request.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "mqtt/payload.hpp"

using namespace propeller;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)mqtt::app_name_of(text);
  if (const auto message = mqtt::parse_message(text); !message) {
    ASSERT(message.error().code == Code::bad_request);
  } else if (const auto* request = std::get_if<mqtt::ImageRequest>(&*message)) {
    // What a request says has to come back byte for byte, in a request as in a chunk.
    const auto again = mqtt::parse_message(mqtt::encode_request(*request));
    ASSERT(again && std::get<mqtt::ImageRequest>(*again).app_name == request->app_name);
    const auto chunk = mqtt::parse_chunk(mqtt::encode_chunk(request->app_name, 0, 1, std::as_bytes(std::span(text))));
    ASSERT(chunk && chunk->app_name == request->app_name && chunk->data == text);
  }
  (void)mqtt::parse_chunk(text);
  (void)mqtt::parse_status(text);
  (void)mqtt::parse_manifest(text);
  return 0;
}
