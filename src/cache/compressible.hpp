#pragma once

#include "http/fields.hpp"

namespace propeller::cache {

/// Whether a body is text, by its Content-Type, that was not compressed on its way. Pure.
/// Source: RFC 9110 sections 8.3 and 8.4, RFC 6839 section 3
[[nodiscard]] bool is_compressible(http::FieldView fields);

}  // namespace propeller::cache
