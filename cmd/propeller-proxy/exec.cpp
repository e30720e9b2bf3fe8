#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>

#include "base/child_process.hpp"
#include "client_access.hpp"

namespace propeller::cmd {

namespace {

// As env(1) and timeout(1) have them.
constexpr int kNotReady = 125;
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;
constexpr std::chrono::seconds kWaitDefault{30};

bool sleep(std::chrono::milliseconds pause) {
  std::this_thread::sleep_for(pause);
  return true;
}

int not_ready(std::string_view why) {
  fmt::print(stderr, "propeller-proxy exec: {}\n", why);
  return kNotReady;
}

/// Only returns when it cannot be.
int become(std::vector<std::string> command, std::vector<std::string> environment) {
  std::fflush(nullptr);
  // We ignore them; what we become has not asked for that.
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGXFSZ, SIG_DFL);
  const auto arguments = base::pointers_to(command);
  ::execvpe(arguments.front(), arguments.data(), base::pointers_to(environment).data());
  const int error = errno;
  fmt::print(stderr, "propeller-proxy exec: {}: {}\n", command.front(), std::generic_category().message(error));
  return error == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace

int run_exec(const Call& call) {
  auto arguments = call.arguments;
  const auto dashes = std::ranges::find(arguments, "--");
  std::vector<std::string> command(dashes == arguments.end() ? dashes : dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("exec"), arguments, exit_code);
  if (!flags) return exit_code;
  if (command.empty()) return usage_error("exec", "say what to start, behind --");
  const auto wait = duration_flag("exec", *flags, "--wait", kWaitDefault);
  if (!wait) return kExitUsage;
  const auto configuration = load_forward_configuration(call, flags->configuration);
  print_problems(configuration.problems);
  if (!configuration.problems.errors.empty()) return kExitUsage;
  const auto& api = configuration.settings.api;
  if (!wait_until_healthy(api, *wait, sleep))
    return not_ready(fmt::format("the proxy's API does not answer on {} port {}", api.listen.address, api.listen.port));
  const auto access = access_of(call, configuration.settings);
  if (!access) return not_ready(access.error().detail);
  return become(std::move(command), environment_with(call, launch::client_variables(*access)));
}

}  // namespace propeller::cmd
