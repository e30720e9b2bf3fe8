#pragma once

#include "cache/freshness.hpp"
#include "http/message.hpp"

namespace propeller::cache {

/// Credentials that a request carries.
enum class Credentials {
  none,
  cookie,        ///< Cookie alone
  authorization  ///< Authorization, or a field of another name that gives access
};

struct Exchange {
  http::Method method = http::Method::get;
  Credentials credentials = Credentials::none;
  bool is_request_no_store = false;
  int status = 200;
  http::FieldView fields;  ///< of the response
  sys_seconds received;
  Keeping keeping = Keeping::as_said;  ///< of what is_likely()
};

/// Whether a shared cache may keep this response, and has a use for it: it is fresh for a while or can be checked, or a
/// pack says that it is of use.
///
/// Stricter than the RFC in one thing: what was asked for with a cookie, or sets one, is kept only when the origin says
/// how long, not by a guess.
/// Pure. Source: RFC 9111 sections 3 and 3.5
[[nodiscard]] bool may_store(const Exchange& exchange);

}  // namespace propeller::cache
