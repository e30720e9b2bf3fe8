#pragma once

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "http/client.hpp"
#include "http/uri.hpp"

namespace propeller::forward {

inline constexpr int kRedirectsMax = 5;

/// 301, 302, 303, 307 and 308: an answer to GET or HEAD that says where else to ask.
[[nodiscard]] bool is_redirect(int status);

/// Where `location`, said by `from`, leads. The path stays as it came: signatures are made over its very bytes.
/// Errors: protocol_error for what is no http or https URL; the same for one that gives up encryption.
[[nodiscard]] Result<http::Uri> redirect_target(const http::Uri& from, std::string_view location);

/// `request`, a GET or HEAD, as it is asked at `to` after `from` sent it there: without credentials where that is
/// another origin.
[[nodiscard]] http::OutgoingRequest redirected(const http::OutgoingRequest& request, const http::Uri& from,
                                               const http::Uri& to);

}  // namespace propeller::forward
