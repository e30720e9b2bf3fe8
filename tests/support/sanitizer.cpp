#include "support/sanitizer.hpp"

#include <algorithm>
#include <csignal>

namespace propeller::support {

namespace {

constexpr std::size_t kFindingBytesMax = 8000;

std::optional<std::string> finding_in(const std::string& output) {
  auto at = std::string::npos;
  for (const char* mark : {"Sanitizer: ", "Sanitizer:DEADLYSIGNAL", ": runtime error: "})
    at = std::min(at, output.find(mark));
  if (at == std::string::npos) return std::nullopt;
  const auto line = output.rfind('\n', at);
  return output.substr(line == std::string::npos ? 0 : line + 1, kFindingBytesMax);
}

}  // namespace

std::map<std::string, std::string> sanitizer_environment() {
  if (!kIsSanitized) return {};
  return {{"ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1"},
          {"UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1"},
          {"TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1"}};
}

std::optional<std::string> end_and_judge(Subprocess& process, milliseconds limit) {
  const bool was_running = process.is_running();
  if (was_running && !process.was_told_to_end()) process.signal(SIGTERM);
  const auto code = process.wait_exit(limit);
  if (!code) {
    process.signal(SIGKILL);
    (void)process.wait_exit();
  }
  process.wait_output_end();
  if (auto finding = finding_in(process.output())) return finding;
  if (!code) return "it does not end within " + std::to_string(limit.count()) + " ms of SIGTERM";
  if (was_running && *code != 0) return "it ends with exit code " + std::to_string(*code);
  return std::nullopt;
}

}  // namespace propeller::support
