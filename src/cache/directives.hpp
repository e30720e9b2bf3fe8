#pragma once

#include <chrono>
#include <optional>

#include "http/fields.hpp"

namespace propeller::cache {

using std::chrono::seconds;

/// More than any cache keeps: what a larger number is taken for.
inline constexpr seconds kSecondsMax{2147483648};

/// What Cache-Control of a response says. Unknown directives are passed over; of one that is there twice the shorter
/// time counts; a time that is none is 0 seconds. A directive that is qualified with field names (`no-cache="x"`)
/// counts as if it were not. Source: RFC 9111 section 5.2.2, RFC 5861
struct ResponseDirectives {
  bool no_store = false;
  bool no_cache = false;
  bool is_private = false;
  bool is_public = false;
  bool must_revalidate = false;
  bool proxy_revalidate = false;
  bool must_understand = false;
  std::optional<seconds> max_age = {};
  std::optional<seconds> s_maxage = {};
  std::optional<seconds> stale_while_revalidate = {};
  std::optional<seconds> stale_if_error = {};
};
[[nodiscard]] ResponseDirectives response_directives(http::FieldView fields);

/// What Cache-Control of a request says; without one, `Pragma: no-cache`.
/// Source: RFC 9111 section 5.2.1
struct RequestDirectives {
  bool no_store = false;
  bool no_cache = false;
  bool only_if_cached = false;
  std::optional<seconds> max_age = {};
  std::optional<seconds> min_fresh = {};
  std::optional<seconds> max_stale = {};  ///< kSecondsMax where no time is given
};
[[nodiscard]] RequestDirectives request_directives(http::FieldView fields);

}  // namespace propeller::cache
