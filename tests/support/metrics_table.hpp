#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace propeller::support {

/// "| `name` | type |" of each metric in what /metrics answers.
[[nodiscard]] std::set<std::string> served_metrics(const std::string& answer);
/// The same of the rows of the manual's table, without those whose name begins with one of `others`: another plane's.
[[nodiscard]] std::set<std::string> documented_metrics(const std::filesystem::path& manual,
                                                       const std::set<std::string>& others);

}  // namespace propeller::support
