#include <fmt/format.h>

#include "command.hpp"
#include "config/variables.hpp"

namespace propeller::cmd {

namespace {

void print_configuration(const config::Loaded& loaded) {
  using config::Group;
  for (const auto group : {Group::identity, Group::broker, Group::registry, Group::transfers, Group::service}) {
    fmt::print("{}\n", title_of(group));
    for (const auto& variable : config::variables()) {
      if (variable.group != group) continue;
      const auto origin = loaded.origins.find(variable.name);
      const auto from = origin == loaded.origins.end()    ? std::string("default")
                        : origin->second == variable.name ? std::string("environment")
                                                          : origin->second;
      const auto value = variable.show(loaded.settings);
      fmt::print("  {:<36} {}  [{}]\n", variable.name, value.empty() ? "-" : value, from);
    }
  }
}

}  // namespace

int run_check(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("check"), call.arguments, exit_code);
  if (!flags) return exit_code;
  if (flags->own.contains("--markdown")) {
    fmt::print("{}", environment_markdown());
    return kExitOk;
  }
  if (flags->own.contains("--manual")) {
    fmt::print("{}", manual_page());
    return kExitOk;
  }
  const auto loaded = load_configuration(call, flags->configuration);
  print_configuration(loaded);
  std::fflush(stdout);
  const auto& [errors, warnings] = loaded.problems;
  for (const auto& text : warnings) fmt::print(stderr, "warning: {}\n", text);
  for (const auto& text : errors) fmt::print(stderr, "error: {}\n", text);
  const bool is_bad = !errors.empty() || (flags->own.contains("--strict") && !warnings.empty());
  fmt::print(stderr, "{} errors, {} warnings: {}\n", errors.size(), warnings.size(),
             is_bad ? "the configuration cannot be used" : "the configuration can be used");
  return is_bad ? kExitUsage : kExitOk;
}

}  // namespace propeller::cmd
