#include "mqtt/broker_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace propeller::mqtt {

namespace {

struct Meaning {
  int code;
  std::string_view text;
  bool is_refusal;  ///< the broker does not want us, as opposed to: not now
};

constexpr Meaning kMeanings[] = {
    // MQTT 3.1.1, CONNACK
    {1, "it does not speak this MQTT version (PROXY_MQTT_VERSION)", true},
    {2, "it does not take this client id", true},
    {3, "it is not available now", false},
    {4, "user name or password are wrong", true},
    {5, "not authorised", true},
    // MQTT 5.0
    {0x80, "unspecified error", false},
    {0x81, "malformed packet", false},
    {0x82, "protocol error", false},
    {0x83, "it refuses for reasons of its own", true},
    {0x84, "it does not speak this MQTT version (PROXY_MQTT_VERSION)", true},
    {0x85, "it does not take this client id", true},
    {0x86, "user name or password are wrong", true},
    {0x87, "not authorised", true},
    {0x88, "it is not available now", false},
    {0x89, "it is busy", false},
    {0x8a, "this client is banned", true},
    {0x8b, "it is shutting down", false},
    {0x8c, "it wants another way of authentication", true},
    {0x8d, "it heard nothing of us for longer than the keep-alive time", false},
    {0x8e, "another client took over this client id", true},
    {0x8f, "invalid topic filter", true},
    {0x90, "invalid topic", true},
    {0x93, "more messages in flight than it takes", false},
    {0x95, "packet larger than it takes", true},
    {0x96, "more messages a second than it takes", false},
    {0x97, "quota exceeded", true},
    {0x98, "administrative action", true},
    {0x99, "payload format is not valid", true},
    {0x9b, "QoS not supported", true},
    {0x9c, "use another server", true},
    {0x9d, "server moved", true},
    {0x9e, "it does not support shared subscriptions", true},
    {0x9f, "more connections than it takes", false},
};

const Meaning* meaning_of(int code) {
  const auto* const found = std::ranges::find(kMeanings, code, &Meaning::code);
  return found == std::end(kMeanings) ? nullptr : found;
}

std::string text_of(int code) {
  const auto* const meaning = meaning_of(code);
  return meaning != nullptr ? std::string(meaning->text) : fmt::format("code {}", code);
}

Code code_of(int code) {
  const auto* const meaning = meaning_of(code);
  return meaning != nullptr && meaning->is_refusal ? Code::broker_rejected : Code::disconnected;
}

}  // namespace

Error connect_error(std::string_view address, int code) {
  if (code <= 0)
    return {Code::disconnected, Origin::upstream,
            fmt::format("what listens at {} does not answer like an MQTT broker", address)};
  return {code_of(code), Origin::upstream,
          fmt::format("the broker at {} refused the connection: {}", address, text_of(code))};
}

Error subscribe_error(std::string_view filter, int code) {
  // 0x80 is all that MQTT 3.1.1 can say, and an access list is what it nearly always means.
  const bool is_bare = code == 0x80 || code == 0x87;
  return {Code::broker_rejected, Origin::upstream,
          is_bare ? fmt::format("not authorised to subscribe to {}", filter)
                  : fmt::format("the broker refused the subscription to {}: {}", filter, text_of(code))};
}

Error publish_error(int code) {
  return code > 0 ? Error{Code::broker_rejected, Origin::upstream,
                          fmt::format("the broker refused the message: {}", text_of(code))}
                  : Error{Code::disconnected, Origin::upstream, "the connection to the broker was lost"};
}

Error disconnect_error(int reason_code) {
  return {code_of(reason_code), Origin::upstream,
          fmt::format("the broker ended the connection: {}", text_of(reason_code))};
}

}  // namespace propeller::mqtt
