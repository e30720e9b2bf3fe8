#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/environment.hpp"

namespace propeller::support {

struct SubprocessOptions {
  std::vector<std::string> arguments;  ///< [0] is the program, looked for in PATH
  std::map<std::string, std::string> environment = {};
  bool is_environment_inherited = false;  ///< only PATH otherwise
  std::filesystem::path directory = {};   ///< empty: ours
};

/// A child process with its output (both streams together) in memory.
///
/// Bound:    kOutputBytesMax of output are kept, then the oldest half is thrown away.
/// Lifetime: killed with the object, and by the kernel when the thread that made it ends.
class Subprocess {
 public:
  static constexpr std::size_t kOutputBytesMax = 64 * 1024 * 1024;

  explicit Subprocess(SubprocessOptions options);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_running();
  void signal(int number);
  /// It was sent SIGTERM or SIGINT: another one may mean something else to it.
  [[nodiscard]] bool was_told_to_end() const { return was_told_to_end_; }
  /// Exit code, or 128 + signal; nothing when it still runs after `limit`.
  std::optional<int> wait_exit(milliseconds limit = kPatience);

  [[nodiscard]] std::string output() const;
  /// The first line that contains `text`, also when it was printed before; nothing when it does not come, or the
  /// process ends.
  std::optional<std::string> wait_line(std::string_view text, milliseconds limit = kPatience);
  /// After wait_exit(): all that was printed has been read.
  void wait_output_end(milliseconds limit = kPatience);

  [[nodiscard]] std::uint64_t memory_bytes() const;       ///< VmRSS
  [[nodiscard]] std::uint64_t memory_peak_bytes() const;  ///< VmHWM
  void reset_memory_peak();                               ///< VmHWM counts from now
  [[nodiscard]] double cpu_seconds() const;               ///< user and system

 private:
  void read_output(int fd);
  void reap(bool is_blocking);

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  bool was_told_to_end_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string output_;
  bool is_output_ended_ = false;
  std::jthread reader_;
};

/// Runs it to its end. Throws with the output when it fails.
std::string run_command(std::vector<std::string> arguments);

}  // namespace propeller::support
