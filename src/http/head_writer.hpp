#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace propeller::http {

/// Writes heads of HTTP/1.1. Pure.
///
/// A field that names framing or the connection is left out: those are the writer's. So is one whose name or value
/// could split the head, wherever it came from.

struct HeadFraming {
  std::optional<std::uint64_t> content_length;
  bool is_chunked = false;
  std::string_view connection;  ///< "close", "keep-alive", "upgrade", or nothing
  std::string_view date;        ///< written where the fields have none; empty: not at all
};

void write_response_head(std::string& out, int status, std::string_view reason, FieldView fields,
                         const HeadFraming& framing);

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view host;
};
/// Errors: false, and nothing written, when a part of the line or Host could split the head.
[[nodiscard]] bool write_request_head(std::string& out, const RequestLine& line, FieldView fields,
                                      const HeadFraming& framing);

/// The lines of a trailer and the empty line, without what a trailer may not carry.
void write_trailer(std::string& out, FieldView fields);

}  // namespace propeller::http
