#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace propeller::cmd {

using Environment = std::map<std::string, std::string>;

struct Outcome {
  int exit_code = -1;
  std::string out;  ///< standard output
  std::string err;  ///< standard error
};

/// Runs the program to its end, with this environment alone.
[[nodiscard]] Outcome run_program(const std::vector<std::string>& arguments, const Environment& environment = {},
                                  const std::filesystem::path& directory = "/");

/// What every complete configuration has.
[[nodiscard]] Environment complete(const Environment& more = {});

}  // namespace propeller::cmd
