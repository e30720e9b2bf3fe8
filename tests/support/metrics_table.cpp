#include "support/metrics_table.hpp"

#include <algorithm>
#include <sstream>

#include "support/environment.hpp"

namespace propeller::support {

std::set<std::string> served_metrics(const std::string& answer) {
  std::set<std::string> rows;
  std::istringstream lines(answer);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const auto kind = line.rfind(' ');
    rows.insert("| `" + line.substr(7, kind - 7) + "` | " + line.substr(kind + 1) + " |");
  }
  return rows;
}

std::set<std::string> documented_metrics(const std::filesystem::path& manual, const std::set<std::string>& others) {
  std::set<std::string> rows;
  std::istringstream lines(read_file(manual));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `propeller_") && !line.starts_with("| `process_")) continue;
    const auto is_of = [&](const std::string& prefix) { return line.starts_with("| `" + prefix); };
    if (std::ranges::none_of(others, is_of)) rows.insert(line.substr(0, line.find('|', line.find('|', 2) + 1) + 1));
  }
  return rows;
}

}  // namespace propeller::support
