#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "config/forward_settings.hpp"

/// The document of /api/config: what of the rules can be changed while the proxy runs. Pure: the caller swaps what
/// comes out, so that a document with a mistake changes nothing.
///
/// Bound:  kRuntimeConfigBytesMax, kRuntimeConfigDepthMax, and the bounds of config/rule_text.hpp on the result.
/// Errors: bad_request; the detail is what the API answers as "error".
/// Source: forward-proxy reference, 1.5
namespace propeller::forward {

inline constexpr std::size_t kRuntimeConfigBytesMax = 1024 * 1024;
inline constexpr std::size_t kRuntimeConfigDepthMax = 8;

/// POST: the rules are what the document says; what it leaves out is empty and off.
[[nodiscard]] Result<config::RuntimeRules> overwrite_rules(std::string_view document);

/// PATCH: each pattern replaces its rule, null or a rule that changes nothing deletes it; domains and addresses are
/// added; `enabled` is as the document says, if it says.
[[nodiscard]] Result<config::RuntimeRules> merge_rules(const config::RuntimeRules& rules, std::string_view document);

/// The document with "[REDACTED]" for every value that a rule sets, and a newline.
[[nodiscard]] std::string show_rules(const config::RuntimeRules& rules);

/// {"error":"..."} and a newline.
[[nodiscard]] std::string error_body(std::string_view message);

}  // namespace propeller::forward
