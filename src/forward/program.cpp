#include "forward/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/child_process.hpp"
#include "base/file_descriptor.hpp"

namespace propeller::forward {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSlice{20};

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
  base::kill_program(child);
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
  const auto child = base::start_program(arguments, {.input = -1, .output = theirs.get(), .error = theirs.get()});
  if (!child) return result;
  theirs.close();
  collect(ours.get(), result.output, deadline);
  result.exit_code = reap(*child, deadline);
  return result;
}

}  // namespace propeller::forward
