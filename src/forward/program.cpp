#include "forward/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file_descriptor.hpp"

namespace propeller::forward {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSlice{20};

/// -1 when it cannot be started. It leads a group of its own, so that its children end with it.
pid_t spawn(const std::vector<std::string>& arguments, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (auto& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  pid_t child = -1;
  const int error = posix_spawnp(&child, arguments.front().c_str(), &actions, &attributes, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error == 0 ? child : -1;
}

/// Until the program closes its output, or the time is over.
void collect(int pipe, std::string& output, Clock::time_point deadline) {
  while (Clock::now() < deadline) {
    pollfd waiting{.fd = pipe, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(kSlice.count())) <= 0) continue;
    std::array<char, 4096> piece;
    const auto count = ::read(pipe, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    const auto room = kProgramOutputBytesMax - output.size();
    output.append(piece.data(), std::min(static_cast<std::size_t>(count), room));
  }
}

int reap(pid_t child, Clock::time_point deadline) {
  int status = 0;
  while (Clock::now() < deadline) {
    if (::waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ::poll(nullptr, 0, static_cast<int>(kSlice.count()));
  }
  ::kill(-child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return -1;
}

}  // namespace

std::optional<std::filesystem::path> find_program(const std::vector<std::filesystem::path>& directories,
                                                  const std::string& name) {
  for (const auto& directory : directories) {
    auto path = directory / name;
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

ProgramResult run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit) {
  ProgramResult result;
  std::array<int, 2> ends{};
  if (arguments.empty() || ::pipe2(ends.data(), O_CLOEXEC) != 0) return result;
  const base::FileDescriptor ours(ends[0]);
  base::FileDescriptor theirs(ends[1]);
  const auto deadline = Clock::now() + limit;
  const pid_t child = spawn(arguments, theirs.get());
  if (child < 0) return result;
  {
    const base::FileDescriptor closed = std::move(theirs);
  }
  collect(ours.get(), result.output, deadline);
  result.exit_code = reap(child, deadline);
  return result;
}

}  // namespace propeller::forward
