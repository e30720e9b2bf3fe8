#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace propeller::forward {

inline constexpr std::size_t kProgramOutputBytesMax = 64 * 1024;

struct ProgramResult {
  int exit_code = -1;  ///< -1: not started, killed, or out of time
  std::string output;  ///< both streams together, the first kProgramOutputBytesMax bytes

  [[nodiscard]] bool is_ok() const { return exit_code == 0; }
};

/// The first executable of that name in the directories.
[[nodiscard]] std::optional<std::filesystem::path> find_program(const std::vector<std::filesystem::path>& directories,
                                                                const std::string& name);

/// Runs it to its end: no shell, no input, killed with its children after `limit`. Blocking.
[[nodiscard]] ProgramResult run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit);

}  // namespace propeller::forward
