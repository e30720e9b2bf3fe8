#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "forward/byte_range.hpp"
#include "http/fields.hpp"
#include "http/message.hpp"

namespace propeller::forward {

/// The fields of a response that are kept with its bytes: without what was for one client or one connection (cookies,
/// hop-by-hop, Proxy-*) and what the server writes anew (Content-Length). "Name: value\r\n" and so on.
[[nodiscard]] std::string kept_header_text(http::FieldView fields);
/// The opposite. A line that is no field is left out.
[[nodiscard]] http::Fields fields_of(std::string_view header_text);

/// An ETag that two equal responses share only if their bytes are the same; empty when there is none.
[[nodiscard]] std::string_view strong_etag(http::FieldView fields);

/// A response that is there, whole or arriving, as the cache answers with it.
struct CachedHead {
  int status = 200;
  http::Fields fields;
  std::optional<std::uint64_t> size;  ///< of the body, when it is known
};

/// What the client gets of it.
struct CacheAnswer {
  int status = 200;
  http::Fields fields;
  ByteRange range;        ///< of the content, for the body; to HEAD, too
  bool has_body = false;  ///< false: of no bytes, whatever `range` says
};

/// By Range and If-Range, If-None-Match and If-Modified-Since. Pure.
///
/// Of an If-Modified-Since only the very date that the response has counts: everything else gets the whole.
/// Source: RFC 9110 sections 13 and 14
[[nodiscard]] CacheAnswer answer_with(CachedHead head, http::Method method, http::FieldView request);

/// X-Cache, X-Cache-Date and Age of a response that was stored at that time.
void mark_as_hit(http::Fields& fields, std::int64_t stored_at, std::chrono::sys_seconds now);

}  // namespace propeller::forward
