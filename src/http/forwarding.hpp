#pragma once

#include <optional>
#include <string_view>

#include "http/message.hpp"

namespace propeller::http {

/// What an intermediary does to a head between two connections. Pure.
/// Source: RFC 9110 section 7.6; forward-proxy.md 3.2

/// Takes away what concerns one connection only: what Connection names, Connection, Keep-Alive, Proxy-Connection,
/// Proxy-Authenticate, Proxy-Authorization, Trailer, Transfer-Encoding, Upgrade, HTTP2-Settings, and TE but for
/// "trailers". Connection cannot name what the message needs end to end (Host, Content-Length, Authorization …).
void remove_hop_by_hop(Fields& fields);

/// Appends "1.1 <name>" to Via; `version` is of the message as it came in.
void append_via(Fields& fields, Version version, std::string_view name);
/// Whether `name` is in Via already: a loop.
[[nodiscard]] bool is_in_via(FieldView fields, std::string_view name);

enum class Forwards {
  go_on,   ///< Max-Forwards, where there was one, is one less now
  answer,  ///< it was 0: whoever got this request answers it
  invalid
};
/// Concerns OPTIONS and TRACE; every other method goes on.
[[nodiscard]] Forwards count_max_forwards(Method method, Fields& fields);

/// What the request asks to upgrade to: "websocket". Empty when it does not (RFC 9110 section 7.8: Connection must name
/// Upgrade; not in HTTP/1.0).
[[nodiscard]] std::string_view requested_upgrade(const RequestHead& head);

}  // namespace propeller::http
