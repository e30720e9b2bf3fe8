#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace propeller::launch {

/// The words of a command line, as a shell takes it apart: blanks between words, '...' as it stands, "..." where a
/// backslash keeps its meaning before " \ $ and `, a backslash elsewhere takes the next character as it is. Nothing is
/// expanded: no variables, no patterns, no redirections; whoever wants those says sh -c '...'.
///
/// Errors: bad_config: no word at all, a quote without its end, a backslash at the end, a zero byte.
/// Source: POSIX Shell Command Language, 2.2
[[nodiscard]] Result<std::vector<std::string>> command_words(std::string_view line);

}  // namespace propeller::launch
