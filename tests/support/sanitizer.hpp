#pragma once

#include <optional>
#include <string>

#include "support/subprocess.hpp"

namespace propeller::support {

/// What a program that was built with a sanitizer is told through its environment: the first finding ends it.
/// Empty in other builds.
[[nodiscard]] std::map<std::string, std::string> sanitizer_environment();

/// Ends the program so that the sanitizer in it has its last word (leaks are looked for at exit): SIGTERM, and SIGKILL
/// when `limit` is over. What was found, or that it does not end or ends with another code than 0; nothing when all is
/// well. A program that ended before is judged by its output alone.
[[nodiscard]] std::optional<std::string> end_and_judge(Subprocess& process, milliseconds limit = kPatience);

}  // namespace propeller::support
