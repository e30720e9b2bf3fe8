#include "support/subprocess.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "support/sanitizer.hpp"

namespace propeller::support {
namespace {

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  std::istringstream folders("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string path = folder + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  throw std::runtime_error("no program " + name + " on this machine");
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_of(const SubprocessOptions& options) {
  std::map<std::string, std::string> merged;
  if (options.is_environment_inherited) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      if (const auto equals = text.find('='); equals != std::string_view::npos)
        merged[std::string(text.substr(0, equals))] = text.substr(equals + 1);
    }
  } else if (const char* path = std::getenv("PATH")) {
    merged["PATH"] = path;
  }
  merged.merge(sanitizer_environment());
  for (const auto& [name, value] : options.environment) merged[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : merged) entries.push_back(name + "=" + value);
  return entries;
}

// Only what is safe between fork and exec in a process with threads.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment, const char* directory,
                         int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = ::open("/dev/null", O_RDONLY);
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::close_range(3, ~0U, 0);
  if (directory[0] != '\0' && ::chdir(directory) != 0) ::_exit(126);
  ::execve(program, arguments, environment);
  ::_exit(127);
}

std::uint64_t status_kilobytes(pid_t pid, std::string_view key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::stoull(line.substr(key.size() + 1));
  return 0;
}

}  // namespace

Subprocess::Subprocess(SubprocessOptions options) {
  if (options.arguments.empty()) throw std::runtime_error("a program is needed");
  const std::string program = find_program(options.arguments[0]);
  auto environment = environment_of(options);
  const auto arguments = pointers_to(options.arguments);
  const auto variables = pointers_to(environment);
  const std::string directory = options.directory.string();
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(program.c_str(), arguments.data(), variables.data(), directory.c_str(), pipe[1], parent);
  ::close(pipe[1]);
  if (pid_ < 0) {
    ::close(pipe[0]);
    throw std::system_error(errno, std::generic_category(), "fork");
  }
  reader_ = std::jthread([this, fd = pipe[0]] { read_output(fd); });
}

Subprocess::~Subprocess() {
  if (is_running()) {
    signal(SIGKILL);
    reap(true);
  }
  if (reader_.joinable()) reader_.join();
}

void Subprocess::read_output(int fd) {
  std::array<char, 16 * 1024> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (got <= 0) {
      is_output_ended_ = true;
      changed_.notify_all();
      break;
    }
    if (output_.size() > kOutputBytesMax) output_.erase(0, kOutputBytesMax / 2);
    output_.append(buffer.data(), static_cast<std::size_t>(got));
    changed_.notify_all();
  }
  ::close(fd);
}

void Subprocess::reap(bool is_blocking) {
  if (exit_code_) return;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, is_blocking ? 0 : WNOHANG);
  if (ended != pid_) return;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Subprocess::is_running() {
  reap(false);
  return !exit_code_;
}

void Subprocess::signal(int number) {
  if (number == SIGTERM || number == SIGINT) was_told_to_end_ = true;
  if (!exit_code_) ::kill(pid_, number);
}

std::optional<int> Subprocess::wait_exit(milliseconds limit) {
  (void)wait_until([this] { return !is_running(); }, limit);
  return exit_code_;
}

std::string Subprocess::output() const {
  const std::lock_guard lock(mutex_);
  return output_;
}

std::optional<std::string> Subprocess::wait_line(std::string_view text, milliseconds limit) {
  std::unique_lock lock(mutex_);
  std::size_t at = std::string::npos;
  changed_.wait_for(lock, limit, [&] {
    at = output_.find(text);
    return (at != std::string::npos && output_.find('\n', at) != std::string::npos) || is_output_ended_;
  });
  if (at == std::string::npos) return std::nullopt;
  const auto before = output_.rfind('\n', at);
  const auto begin = before == std::string::npos ? 0 : before + 1;
  return output_.substr(begin, output_.find('\n', at) - begin);
}

void Subprocess::wait_output_end(milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return is_output_ended_; });
}

std::uint64_t Subprocess::memory_bytes() const { return status_kilobytes(pid_, "VmRSS:") * 1024; }
std::uint64_t Subprocess::memory_peak_bytes() const { return status_kilobytes(pid_, "VmHWM:") * 1024; }

void Subprocess::reset_memory_peak() { write_file("/proc/" + std::to_string(pid_) + "/clear_refs", "5"); }

double Subprocess::cpu_seconds() const {
  const std::string stat = read_file("/proc/" + std::to_string(pid_) + "/stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  // Behind the name: state is field 3, utime and stime are 14 and 15 (proc(5)).
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::string run_command(std::vector<std::string> arguments) {
  const std::string name = arguments.empty() ? "" : arguments[0];
  Subprocess process({.arguments = std::move(arguments), .is_environment_inherited = true});
  const auto code = process.wait_exit();
  process.wait_output_end();
  if (code != 0) throw std::runtime_error(name + " failed: " + process.output());
  return process.output();
}

}  // namespace propeller::support
