#include <fmt/format.h>
#include <unistd.h>

#include "app/site_app.hpp"
#include "command.hpp"

namespace propeller::cmd {

namespace {

config::Host this_host() { return {.is_root = geteuid() == 0, .working_directory = "."}; }

}  // namespace

config::SiteLoaded load_site_configuration(const Call& call, const config::Flags& flags) {
  auto site = config::load_site(call.environment, flags, this_host());
  // Files are judged when they are named right.
  if (site.problems.errors.empty()) site.problems.errors = app::problems_of(site);
  return site;
}

config::Loaded load_configuration(const Call& call, const config::Flags& flags) {
  auto loaded = config::load(call.environment, flags, this_host());
  if (loaded.problems.errors.empty()) {
    loaded.problems.errors =
        app::problems_of({.bridge = loaded, .forward = {}, .planes = {.has_bridge = true}, .problems = {}});
  }
  return loaded;
}

config::ForwardLoaded load_forward_configuration(const Call& call, const config::Flags& flags) {
  return config::load_forward(call.environment, flags, this_host());
}

void print_problems(const config::Problems& problems) {
  for (const auto& text : problems.warnings) fmt::print(stderr, "warning: {}\n", text);
  for (const auto& text : problems.errors) fmt::print(stderr, "error: {}\n", text);
}

int run_run(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("run"), call.arguments, exit_code);
  if (!flags) return exit_code;
  const auto site = load_site_configuration(call, flags->configuration);
  if (!site.problems.errors.empty()) {
    print_problems(site.problems);
    fmt::print(stderr, "propeller-proxy: the configuration cannot be used; propeller-proxy check shows all of it\n");
    return kExitUsage;
  }
  return app::run_site(site, [&call, &flags] { return load_site_configuration(call, flags->configuration); });
}

}  // namespace propeller::cmd
