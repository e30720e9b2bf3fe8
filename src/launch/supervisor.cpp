#include "launch/supervisor.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <ranges>

#include "base/child_process.hpp"

namespace propeller::launch {

namespace {

constexpr int kCannotStart = 127;
constexpr int kSignalled = 128;
constexpr std::chrono::seconds kTurn{60};  // as good as for ever: another turn follows

std::string describe(int status) {
  return WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                             : fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

int exit_code_of(int status) { return WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status); }

timespec until(Supervisor::Clock::time_point time) {
  const auto left = std::max(time - Supervisor::Clock::now(), Supervisor::Clock::duration::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  return {.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
}

}  // namespace

Supervisor::Supervisor(SupervisorOptions options) : options_(std::move(options)) {
  sigemptyset(&signals_);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH})
    sigaddset(&signals_, signal);
  sigprocmask(SIG_BLOCK, &signals_, nullptr);
  // Process 1 gets orphans anyway; elsewhere those of our children come to us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void Supervisor::start(Program program) {
  if (is_ending_) return;
  launch(programs_.emplace_back(Running{.program = std::move(program)}));
}

void Supervisor::launch(Running& running) {
  const auto& program = running.program;
  running.restart_at.reset();
  running.started_at = Clock::now();
  const auto pid = base::start_program(program.arguments, {.input = -1, .output = 1, .error = 2}, program.environment);
  if (pid) {
    running.pid = *pid;
    return;
  }
  options_.say(fmt::format("{} cannot be started: {}", program.name, program.arguments.front()));
  if (!program.is_kept_running) begin_end(kCannotStart);
}

void Supervisor::work(std::chrono::milliseconds duration) {
  const auto end = Clock::now() + duration;
  while (!is_ending_ && Clock::now() < end) handle_next(end);
}

int Supervisor::finish() {
  while (!is_ending_) work(kTurn);
  for (auto& running : std::views::reverse(programs_)) stop(running);
  reap();
  return exit_code_;
}

void Supervisor::handle_next(Clock::time_point end) {
  for (const auto& running : programs_) {
    if (running.restart_at) end = std::min(end, *running.restart_at);
  }
  const auto left = until(end);
  const int signal = ::sigtimedwait(&signals_, nullptr, &left);
  if (signal > 0) handle(signal);
  restart_due();
}

void Supervisor::handle(int signal) {
  if (signal == SIGCHLD) return reap();
  if (signal == SIGTERM || signal == SIGINT) {
    if (is_ending_) return kill_all();
    stop_signal_ = signal;
    return begin_end(0);
  }
  for (const auto& running : programs_) {
    const bool is_meant = signal == SIGHUP || !running.program.is_kept_running;
    if (is_meant && running.pid > 0) ::kill(running.pid, signal);
  }
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = std::ranges::find(programs_, pid, &Running::pid);
    if (found != programs_.end()) ended(*found, status);
  }
}

void Supervisor::ended(Running& running, int status) {
  running.pid = -1;
  if (is_ending_) return;
  const auto& name = running.program.name;
  if (!running.program.is_kept_running) {
    options_.say(fmt::format("{} {}: ending everything", name, describe(status)));
    return begin_end(exit_code_of(status));
  }
  if (Clock::now() - running.started_at > kLongRun) running.restarts = 0;
  if (++running.restarts > kRestartsMax)
    return options_.say(fmt::format("{} {}, again and again: it is not started any more", name, describe(status)));
  options_.say(fmt::format("{} {}: it is started again", name, describe(status)));
  running.restart_at = Clock::now() + kRestartDelay;
}

void Supervisor::restart_due() {
  for (auto& running : programs_) {
    if (!is_ending_ && running.restart_at && *running.restart_at <= Clock::now()) launch(running);
  }
}

void Supervisor::begin_end(int exit_code) {
  if (is_ending_) return;
  is_ending_ = true;
  exit_code_ = exit_code;
}

void Supervisor::stop(Running& running) {
  if (running.pid <= 0) return;
  ::kill(running.pid, stop_signal_);
  const auto wait = [&] {
    for (const auto end = Clock::now() + options_.stop_timeout; running.pid > 0 && Clock::now() < end;)
      handle_next(end);
  };
  wait();
  if (running.pid <= 0) return;
  options_.say(fmt::format("{} did not end in time: killed", running.program.name));
  ::kill(-running.pid, SIGKILL);
  wait();
}

void Supervisor::kill_all() {
  for (const auto& running : programs_) {
    if (running.pid > 0) ::kill(-running.pid, SIGKILL);
  }
}

}  // namespace propeller::launch
