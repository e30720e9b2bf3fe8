#include <fmt/format.h>

#include "app/service.hpp"
#include "command.hpp"

namespace propeller::cmd {

int run_version(const Call& call) {
  int exit_code = kExitOk;
  if (!parse_flags(command_named("version"), call.arguments, exit_code)) return exit_code;
  fmt::print("propeller-proxy {}\n", app::version());
  return kExitOk;
}

}  // namespace propeller::cmd
