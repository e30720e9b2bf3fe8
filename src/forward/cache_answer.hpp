#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forward/byte_range.hpp"
#include "http/fields.hpp"
#include "http/message.hpp"

namespace propeller::forward {

/// By which rules a response is kept.
enum class CacheRules {
  content,  ///< content that its path names: does not change
  http      ///< RFC 9111, as a shared cache
};

/// The fields of a response that are kept with its bytes: without what was for one connection (hop-by-hop, Proxy-*) and
/// what the server writes anew (Content-Length). Of content also without cookies; by the rules of HTTP without Age,
/// which is written anew. "Name: value\r\n" and so on.
[[nodiscard]] std::string kept_header_text(http::FieldView fields, CacheRules rules);
/// The opposite. A line that is no field is left out.
[[nodiscard]] http::Fields fields_of(std::string_view header_text);

/// An ETag that two equal responses share only if their bytes are the same; empty when there is none.
[[nodiscard]] std::string_view strong_etag(http::FieldView fields);

/// A response that is there, whole or arriving, as the cache answers with it.
struct CachedHead {
  int status = 200;
  http::Fields fields;
  std::optional<std::uint64_t> size;  ///< of the body, when it is known
  bool is_whole = false;              ///< all of its bytes are here, for ranges in any order
};

/// Several ranges in one body.
struct RangeList {
  std::vector<ByteRange> ranges;  ///< in the order they were asked for
  std::string type;               ///< Content-Type of each, when there is one
  std::string boundary;           ///< between them
  std::uint64_t size = 0;         ///< of the content

  /// What stands before one of them. Source: RFC 9110 section 14.6
  [[nodiscard]] std::string head_of(ByteRange range) const;
  /// What stands behind the last one.
  [[nodiscard]] std::string end() const;
};

/// What the client gets of it.
struct CacheAnswer {
  int status = 200;
  http::Fields fields;
  ByteRange range;                ///< of the content, for the body; to HEAD, too
  std::optional<RangeList> list;  ///< instead of `range`; only of what is whole
  bool has_body = false;          ///< false: of no bytes, whatever `range` says
};

/// By Range and If-Range, If-None-Match and If-Modified-Since. Pure.
///
/// Source: RFC 9110 sections 13 and 14, RFC 9111 section 4.3.2
[[nodiscard]] CacheAnswer answer_with(CachedHead head, http::Method method, http::FieldView request);

/// X-Cache, X-Cache-Date and Age of a response that was stored at that time.
void mark_as_hit(http::Fields& fields, std::int64_t stored_at, std::chrono::sys_seconds now);
/// The same of a response whose age is known.
void mark_as_hit(http::Fields& fields, std::int64_t stored_at, std::chrono::seconds age);

}  // namespace propeller::forward
