#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text from anywhere, made safe for one log line: control characters (C0, DEL, C1, line and paragraph separators)
/// are escaped, broken UTF-8 becomes U+FFFD, and what is longer than `bytes_max` ends in "...".
namespace propeller::observe {

/// A JSON string with its quotes.
[[nodiscard]] std::string json_string(std::string_view text, std::size_t bytes_max);
/// A value of key=value: bare where it can be, else quoted as in JSON.
[[nodiscard]] std::string text_value(std::string_view text, std::size_t bytes_max);
/// The message of a text line: escaped, without quotes.
[[nodiscard]] std::string text_message(std::string_view text, std::size_t bytes_max);

}  // namespace propeller::observe
