#include "mqtt/broker_address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace propeller::mqtt {

namespace {

struct Scheme {
  std::string_view prefix;
  std::uint16_t port;
  bool is_tls;
};

constexpr Scheme kSchemes[] = {{"tcp://", 1883, false},  {"mqtt://", 1883, false}, {"ssl://", 8883, true},
                               {"mqtts://", 8883, true}, {"ws://", 80, false},     {"wss://", 443, true}};

std::unexpected<Error> refuse(std::string_view text) {
  return fail(
      Code::bad_config, Origin::internal,
      fmt::format(
          "\"{}\" is not the address of a broker, which looks like tcp://host:1883 (or mqtt, ssl, mqtts, ws, wss)",
          text));
}

}  // namespace

Result<BrokerAddress> BrokerAddress::parse(std::string_view text) {
  const auto* const scheme =
      std::ranges::find_if(kSchemes, [&](const Scheme& one) { return text.starts_with(one.prefix); });
  if (scheme == std::end(kSchemes)) return refuse(text);
  std::string_view authority = text.substr(scheme->prefix.size());
  const auto slash = std::min(authority.find('/'), authority.size());
  const std::string_view path = authority.substr(slash);
  authority = authority.substr(0, slash);

  const bool is_bracketed = authority.starts_with('[');
  const auto host_end = is_bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (host_end == std::string_view::npos) return refuse(text);
  BrokerAddress address{.host = std::string(authority.substr(is_bracketed ? 1 : 0, host_end - (is_bracketed ? 1 : 0))),
                        .port = scheme->port,
                        .is_tls = scheme->is_tls,
                        .is_web_socket = text.starts_with("ws")};
  std::string_view rest = authority.substr(host_end + (is_bracketed ? 1 : 0));
  if (address.host.empty()) return refuse(text);
  if (path.size() > 1) address.path = path;
  if (rest.empty()) return address;
  if (!rest.starts_with(':')) return refuse(text);
  rest.remove_prefix(1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), address.port);
  if (error != std::errc() || end != rest.data() + rest.size() || address.port == 0) return refuse(text);
  return address;
}

}  // namespace propeller::mqtt
