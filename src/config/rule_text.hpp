#pragma once

#include <cstddef>
#include <string_view>

#include "config/variables.hpp"

/// The grammars of the forward proxy's rules, for the file and for the API alike: one answer to what is well formed.
namespace propeller::config {

inline constexpr std::size_t kListEntriesMax = 10'000;  ///< domains or addresses in one list
inline constexpr std::size_t kHeaderRulesMax = 1'000;
inline constexpr std::size_t kHeaderEntriesMax = 64;  ///< conditions, set or append of one rule
inline constexpr std::size_t kHeaderValueBytesMax = 16 * 1024;
inline constexpr std::size_t kCachePatternsMax = 100;
inline constexpr std::size_t kCachePatternBytesMax = 1024;

/// Exact, `*`, `*.suffix` or `prefix.*`, of letters, digits, '.' and '-'. At most 253 bytes.
/// Source: forward-proxy reference, 1.4
[[nodiscard]] bool is_domain_pattern(std::string_view text);

/// An address or a range such as 10.0.0.0/8, without a zone.
[[nodiscard]] bool is_address_or_range(std::string_view text);

/// A token. Source: RFC 9110 section 5.1
[[nodiscard]] bool is_header_name(std::string_view text);

/// Without control characters but tab, so that it cannot end its line; blanks around it are not allowed either.
/// Source: RFC 9110 section 5.5
[[nodiscard]] bool is_header_value(std::string_view text);

/// A header that a rule may set. The framing of a message, and what belongs to one connection, is not a rule's to
/// change.
[[nodiscard]] bool is_settable_header(std::string_view name);

/// An RE2 expression. The refusal says what RE2 says.
[[nodiscard]] Refusal check_expression(std::string_view text);

}  // namespace propeller::config
