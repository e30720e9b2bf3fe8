#include <fmt/format.h>

#include <filesystem>

#include "client_access.hpp"
#include "config/parse.hpp"
#include "launch/command_words.hpp"
#include "launch/supervisor.hpp"

namespace propeller::cmd {

namespace {

constexpr std::size_t kChildrenMax = 64;
constexpr std::chrono::seconds kWaitDefault{10};
constexpr std::chrono::seconds kStopTimeoutDefault{5};
constexpr std::string_view kProxy = "the proxy";

void say(std::string_view text) { fmt::print(stderr, "propeller-proxy init: {}\n", text); }

/// Nothing, after a usage error, when one of them is no command.
std::optional<std::vector<launch::Program>> children_of(const Parsed& flags) {
  std::vector<launch::Program> children;
  for (const auto& line : flags.values("--child")) {
    auto words = launch::command_words(line);
    if (!words) {
      usage_error("init", fmt::format("--child={}: {}", config::show_value(line), words.error().detail));
      return std::nullopt;
    }
    children.push_back({.name = words->front(), .arguments = std::move(*words), .environment = {}});
  }
  if (!children.empty() && children.size() <= kChildrenMax) return children;
  usage_error("init", fmt::format("say what to start: --child COMMAND, at most {} times", kChildrenMax));
  return std::nullopt;
}

/// This program, with the flags of the configuration that we were given.
launch::Program proxy_of(const Call& call, const Parsed& flags) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  launch::Program program{.name = std::string(kProxy),
                          .arguments = {error ? "propeller-proxy" : self.string(), "run"},
                          .environment = environment_with(call, {}),
                          .is_kept_running = true};
  for (const auto& [flag, value] : flags.configuration) program.arguments.push_back(fmt::format("{}={}", flag, value));
  return program;
}

/// What the children use it by; nothing when they have to do without.
launch::Variables start_proxy(const Call& call, const Parsed& flags, std::chrono::milliseconds wait,
                              launch::Supervisor& supervisor) {
  const auto configuration = load_forward_configuration(call, flags.configuration);
  print_problems(configuration.problems);
  if (!configuration.problems.errors.empty()) {
    say("WARNING: the configuration cannot be used: going on WITHOUT the proxy");
    return {};
  }
  // The programs that it starts come before its own signals are of interest; and nothing of it has to work.
  if (install_trust(call, flags) != kExitOk)
    say("warning: the authority is not trusted by all of this system; the variables name it all the same");
  supervisor.start(proxy_of(call, flags));
  const auto pause = [&supervisor](std::chrono::milliseconds duration) {
    supervisor.work(duration);
    return !supervisor.is_ending();
  };
  if (!wait_until_healthy(configuration.settings.api, wait, pause)) {
    if (!supervisor.is_ending())
      say(fmt::format("WARNING: the proxy is not healthy after {}: going on WITHOUT it, nothing is started to use it",
                      config::format_duration(wait)));
    return {};
  }
  const auto access = access_of(call, configuration.settings);
  if (access) return launch::client_variables(*access);
  say(fmt::format("WARNING: {}: going on WITHOUT the proxy", access.error().detail));
  return {};
}

}  // namespace

int run_init(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("init"), call.arguments, exit_code);
  if (!flags) return exit_code;
  auto children = children_of(*flags);
  const auto wait = duration_flag("init", *flags, "--wait", kWaitDefault);
  const auto stop_timeout = duration_flag("init", *flags, "--stop-timeout", kStopTimeoutDefault);
  if (!children || !wait || !stop_timeout) return kExitUsage;
  launch::Supervisor supervisor({.stop_timeout = *stop_timeout, .say = say});
  const auto environment = environment_with(call, start_proxy(call, *flags, *wait, supervisor));
  for (auto& child : *children) {
    child.environment = environment;
    supervisor.start(std::move(child));
  }
  return supervisor.finish();
}

}  // namespace propeller::cmd
