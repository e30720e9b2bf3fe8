#pragma once

#include "http/fields.hpp"

namespace propeller::cache {

/// The stored fields after a 304 has said that the response still holds: what the 304 says replaces what was stored,
/// but for what describes the stored bytes themselves (ETag, Content-Length, Content-Encoding, Content-Range,
/// Content-MD5). `not_modified` has no hop-by-hop fields any more.
/// Pure. Source: RFC 9111 section 3.2
[[nodiscard]] http::Fields freshened(http::FieldView stored, http::FieldView not_modified);

/// Whether two responses to one request are of one content, by the validators that both have; false without any.
/// Pure. Source: RFC 9111 section 4.3.5
[[nodiscard]] bool is_same_content(http::FieldView stored, http::FieldView received);

/// Makes a request ask whether `stored` still holds, and nothing else: its own conditions and its Range go.
/// Returns false when `stored` has nothing to check it by.
/// Source: RFC 9111 section 4.3.1
bool add_validators(http::Fields& request, http::FieldView stored);

}  // namespace propeller::cache
