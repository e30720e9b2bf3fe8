#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::launch {

struct Program {
  std::string name;                      ///< in messages
  std::vector<std::string> arguments;    ///< the first is looked for in PATH
  std::vector<std::string> environment;  ///< "NAME=value"
  bool is_kept_running = false;          ///< its end ends nothing: it is started again
};

struct SupervisorOptions {
  std::chrono::milliseconds stop_timeout{5'000};  ///< of each program, then SIGKILL
  std::function<void(std::string_view)> say;      ///< a line for the operator
};

/// What process 1 of a container does: starts programs, reaps whatever ends (orphans are handed to it), passes signals
/// on, and stops the programs in reverse order.
///
/// Order:   SIGHUP goes to all, SIGUSR1, SIGUSR2, SIGQUIT and SIGWINCH to those that are not kept running. SIGTERM and
///          SIGINT, or the end of a program that is not kept running, begin the end: the last program is told first,
///          and the next when it is gone. A second SIGTERM or SIGINT kills all of them at once.
/// Bound:   a program that is kept running is started again after kRestartDelay, kRestartsMax times in a row.
/// Threads: one, which has no other; its signals are blocked from the constructor on.
class Supervisor {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kRestartDelay{1};
  static constexpr int kRestartsMax = 10;
  static constexpr std::chrono::minutes kLongRun{1};  ///< after it the restarts are counted from none again

  explicit Supervisor(SupervisorOptions options);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Nothing is started once the end has begun. One that cannot be started has ended with 127.
  void start(Program program);
  /// Handles signals and ends of programs, for so long or until the end begins.
  void work(std::chrono::milliseconds duration);
  [[nodiscard]] bool is_ending() const { return is_ending_; }
  /// Works until the end begins, and ends everything. The exit code of the program that ended first, by itself: what it
  /// returned, or 128 + the signal; 0 when it was SIGTERM or SIGINT that began the end.
  [[nodiscard]] int finish();

 private:
  struct Running {
    Program program;
    pid_t pid = -1;  ///< -1: not now
    int restarts = 0;
    Clock::time_point started_at = {};
    std::optional<Clock::time_point> restart_at = std::nullopt;
  };

  void launch(Running& running);
  void handle_next(Clock::time_point until);
  void handle(int signal);
  void reap();
  void ended(Running& running, int status);
  void restart_due();
  void begin_end(int exit_code);
  void stop(Running& running);
  void kill_all();

  const SupervisorOptions options_;
  sigset_t signals_{};
  std::vector<Running> programs_;
  bool is_ending_ = false;
  int stop_signal_ = SIGTERM;
  int exit_code_ = 0;
};

}  // namespace propeller::launch
