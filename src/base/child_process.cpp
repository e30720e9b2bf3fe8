#include "base/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.hpp"

namespace propeller::base {

namespace {

void connect_stream(posix_spawn_file_actions_t& actions, int from, int to, int flags) {
  if (from >= 0) {
    posix_spawn_file_actions_adddup2(&actions, from, to);
  } else {
    posix_spawn_file_actions_addopen(&actions, to, "/dev/null", flags, 0);
  }
}

std::optional<pid_t> spawn(std::vector<std::string> arguments, const ChildStreams& streams, char* const* environment) {
  ASSERT(!arguments.empty());
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  connect_stream(actions, streams.input, STDIN_FILENO, O_RDONLY);
  connect_stream(actions, streams.output, STDOUT_FILENO, O_WRONLY);
  connect_stream(actions, streams.error, STDERR_FILENO, O_WRONLY);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const auto pointers = pointers_to(arguments);
  pid_t child = -1;
  const int error = posix_spawnp(&child, pointers.front(), &actions, &attributes, pointers.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error == 0 ? std::optional(child) : std::nullopt;
}

}  // namespace

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::optional<pid_t> start_program(const std::vector<std::string>& arguments, const ChildStreams& streams) {
  return spawn(arguments, streams, environ);
}

std::optional<pid_t> start_program(const std::vector<std::string>& arguments, const ChildStreams& streams,
                                   const std::vector<std::string>& environment) {
  auto copies = environment;
  return spawn(arguments, streams, pointers_to(copies).data());
}

int kill_program(pid_t child) {
  int status = 0;
  ::kill(-child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace propeller::base
