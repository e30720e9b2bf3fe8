#include <fmt/format.h>
#include <unistd.h>

#include "app/bridge_app.hpp"
#include "app/service.hpp"
#include "command.hpp"
#include "observe/log.hpp"

namespace propeller::cmd {

config::Loaded load_configuration(const Call& call, const config::Flags& flags) {
  auto loaded = config::load(call.environment, flags, {.is_root = geteuid() == 0, .working_directory = "."});
  if (loaded.problems.errors.empty()) loaded.problems.errors = app::problems_of(loaded.settings);
  return loaded;
}

int run_run(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("run"), call.arguments, exit_code);
  if (!flags) return exit_code;
  const auto loaded = load_configuration(call, flags->configuration);
  if (!loaded.problems.errors.empty()) {
    for (const auto& text : loaded.problems.warnings) fmt::print(stderr, "warning: {}\n", text);
    for (const auto& text : loaded.problems.errors) fmt::print(stderr, "error: {}\n", text);
    fmt::print(stderr, "propeller-proxy: the configuration cannot be used; propeller-proxy check shows all of it\n");
    return kExitUsage;
  }
  app::start_log(loaded.settings.log);
  for (const auto& text : loaded.problems.warnings) observe::log_warn("configuration", {observe::kv("warning", text)});
  return app::run_bridge(loaded.settings);
}

}  // namespace propeller::cmd
