#pragma once

#include <string>
#include <string_view>

/// Secrets taken out of what is written down: recordings and the log.
namespace propeller::forward {

inline constexpr std::string_view kRedacted = "[REDACTED]";

/// Authorization, cookies, and whatever is called a key, token, secret or password.
/// Source: forward-proxy reference, 1.7
[[nodiscard]] bool is_secret_header(std::string_view name);

/// As a header, and what signed URLs call their signature and credential.
[[nodiscard]] bool is_secret_parameter(std::string_view name);

/// Whether the query of a URL carries a secret: whoever has that URL may have what it names.
[[nodiscard]] bool has_secret_parameter(std::string_view query);

/// User information and the values of secret parameters become "[REDACTED]"; takes an absolute URL or a path and query.
[[nodiscard]] std::string redact_url(std::string_view url);

/// Values of secret members of JSON, of secret fields of forms of both kinds, and of bearer and basic credentials
/// anywhere become "[REDACTED]". Works on text that is cut off, too. Without a type that names one, a form is what
/// looks like one.
[[nodiscard]] std::string redact_body(std::string_view body, std::string_view content_type = {});

}  // namespace propeller::forward
