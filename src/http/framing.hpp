#pragma once

#include <expected>
#include <optional>

#include "http/head_parser.hpp"
#include "http/message.hpp"

namespace propeller::http {

/// Where a message's body ends, decided from its head. Whatever two readers could see differently is refused.
/// Source: RFC 9112 sections 6.1 to 6.3

/// Errors: 400.
[[nodiscard]] std::expected<BodyFraming, Refusal> frame_request(const RequestHead& head);

struct FramedResponse {
  BodyFraming framing;
  std::optional<std::uint64_t> declared_length;
  bool is_doubtful = false;  ///< a body is announced where there can be none: the connection is not used again
};
/// Errors: 502.
[[nodiscard]] std::expected<FramedResponse, Refusal> frame_response(const ResponseHead& head, Method asked);

}  // namespace propeller::http
