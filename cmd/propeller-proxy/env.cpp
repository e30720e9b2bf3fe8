#include <fmt/format.h>

#include "client_access.hpp"
#include "config/parse.hpp"

namespace propeller::cmd {

int run_env(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("env"), call.arguments, exit_code);
  if (!flags) return exit_code;
  const auto own = [&flags](std::string_view flag, std::string fallback) {
    const auto found = flags->own.find(flag);
    return found == flags->own.end() ? fallback : found->second;
  };
  const auto shell = own("--shell", "sh");
  const auto format = launch::variable_format(shell);
  if (!format)
    return usage_error("env",
                       fmt::format("--shell={}: allowed are sh, fish, systemd and docker", config::show_value(shell)));
  const auto configuration = load_forward_configuration(call, flags->configuration);
  print_problems(configuration.problems);
  if (!configuration.problems.errors.empty()) return kExitUsage;
  const auto access = access_of(call, configuration.settings, own("--host", ""));
  const auto text = access ? launch::render(launch::client_variables(*access), *format)
                           : Result<std::string>(std::unexpected(access.error()));
  if (!text) {
    fmt::print(stderr, "propeller-proxy env: {}\n", text.error().detail);
    return kExitFailure;
  }
  fmt::print("{}", *text);
  return kExitOk;
}

}  // namespace propeller::cmd
