#include <fmt/format.h>

#include "command.hpp"
#include "config/forward_show.hpp"
#include "config/variables.hpp"

namespace propeller::cmd {

namespace {

using config::Group;

void print_group(const config::Loaded& loaded, Group group) {
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

void print_forward(const config::ForwardLoaded& forward) {
  fmt::print("Forward proxy ({}{})\n", forward.file.empty() ? "no file, built-in default" : forward.file.string(),
             forward.workspace_file.empty() ? "" : ", under " + forward.workspace_file.string());
  for (const auto& [key, value] : config::show_forward(forward.settings))
    fmt::print("  {:<36} {}\n", key, value.empty() ? "-" : value);
}

void print_configuration(const config::SiteLoaded& site) {
  if (site.planes.has_bridge) {
    for (const auto group : {Group::identity, Group::broker, Group::registry, Group::transfers})
      print_group(site.bridge, group);
    if (!site.planes.has_forward) print_group(site.bridge, Group::store);
  }
  print_group(site.bridge, Group::service);
  if (site.planes.has_forward) print_forward(site.forward);
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
  const auto site = load_site_configuration(call, flags->configuration);
  print_configuration(site);
  std::fflush(stdout);
  print_problems(site.problems);
  const auto& [errors, warnings] = site.problems;
  const bool is_bad = !errors.empty() || (flags->own.contains("--strict") && !warnings.empty());
  fmt::print(stderr, "{} errors, {} warnings: {}\n", errors.size(), warnings.size(),
             is_bad ? "the configuration cannot be used" : "the configuration can be used");
  return is_bad ? kExitUsage : kExitOk;
}

}  // namespace propeller::cmd
