#include "registry/credential_helper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/child_process.hpp"
#include "base/file_descriptor.hpp"
#include "registry/docker_config.hpp"

namespace propeller::registry {

namespace {

using Clock = std::chrono::steady_clock;

// A socket pair instead of two pipes: a helper that dies early cannot hurt us with SIGPIPE.
bool make_channel(base::FileDescriptor& ours, base::FileDescriptor& theirs) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return false;
  ours = base::FileDescriptor(pair[0]);
  theirs = base::FileDescriptor(pair[1]);
  return true;
}

enum class Ending { whole, too_much, too_late };

Ending collect(int channel, std::string& output, const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kSlice{50};  // how soon a stop is seen
  const auto deadline = Clock::now() + kHelperTimeout;
  while (Clock::now() < deadline && !stop.stop_requested()) {
    pollfd waiting{.fd = channel, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(kSlice.count())) <= 0) continue;
    std::array<char, 4096> piece;
    const auto count = ::read(channel, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Ending::whole;
    output.append(piece.data(), static_cast<std::size_t>(count));
    if (output.size() > kHelperOutputBytesMax) return Ending::too_much;
  }
  return Ending::too_late;
}

// The exit code, or -1. A helper that has answered is given until the deadline to end by itself; its group goes then.
int reap(pid_t child, Ending ending, const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kSlice{5};
  const auto deadline = Clock::now() + std::chrono::seconds(1);
  int status = 0;
  while (ending == Ending::whole && Clock::now() < deadline && !stop.stop_requested()) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ::poll(nullptr, 0, static_cast<int>(kSlice.count()));
  }
  status = base::kill_program(child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

Result<std::optional<Credentials>> ask_helper(std::string name, std::string server, std::stop_token stop) {
  const std::string program = "docker-credential-" + name;
  const auto failed = [&](std::string_view why) {
    return fail(Code::unauthorized, Origin::internal, program + " " + std::string(why));
  };
  base::FileDescriptor ours;
  base::FileDescriptor theirs;
  if (!make_channel(ours, theirs)) return failed("could not be started");
  const auto child =
      base::start_program({program, "get"}, {.input = theirs.get(), .output = theirs.get(), .error = -1});
  if (!child) return failed("could not be started");
  theirs.close();
  server.push_back('\n');
  // It fits into the socket's buffer; a helper that does not read it has ended or will be ended.
  [[maybe_unused]] const auto sent = ::send(ours.get(), server.data(), server.size(), MSG_NOSIGNAL);
  ::shutdown(ours.get(), SHUT_WR);

  std::string output;
  const auto ending = collect(ours.get(), output, stop);
  const int status = reap(*child, ending, stop);
  if (ending == Ending::too_late) return failed("did not answer in time");
  if (ending == Ending::too_much) return failed("answered with more than 64 KiB");
  if (status != 0) {
    if (output.find("credentials not found") != std::string::npos) return std::optional<Credentials>{};
    return failed("failed with exit code " + std::to_string(status));
  }
  auto credentials = parse_helper_output(output);
  if (!credentials) return std::unexpected(credentials.error());
  return std::optional(std::move(*credentials));
}

}  // namespace propeller::registry
