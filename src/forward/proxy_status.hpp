#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::forward {

/// In Via and Proxy-Status; a request that carries it came from us.
inline constexpr std::string_view kProxyName = "propeller-proxy";

/// What a client is told of a failure: its status, and an error type that programs know.
struct FailureAnswer {
  int status;
  std::string_view type;  ///< of RFC 9209 section 2.3
};

[[nodiscard]] FailureAnswer answer_for(const Error& error);

/// `propeller-proxy; error=connection_refused; details="..."`: the value of Proxy-Status on an answer that we made.
/// Bound:  kDetailsBytesMax; what a structured field's string cannot hold becomes '?'.
/// Source: RFC 9209; RFC 8941 section 3.3.3
[[nodiscard]] std::string proxy_status(const Error& error);
inline constexpr std::size_t kDetailsBytesMax = 200;

}  // namespace propeller::forward
