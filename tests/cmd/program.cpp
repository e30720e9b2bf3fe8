#include "program.hpp"

#include "support/environment.hpp"
#include "support/subprocess.hpp"

namespace propeller::cmd {

Outcome run_program(const std::vector<std::string>& arguments, const Environment& environment,
                    const std::filesystem::path& directory) {
  const support::TempDir files;
  // The shell takes the two streams apart.
  std::vector<std::string> command{"sh", "-c", "exec \"$0\" \"$@\" 2>\"$STDERR_FILE\"", PROPELLER_PROXY_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Environment all = environment;
  all["STDERR_FILE"] = (files / "stderr").string();
  support::Subprocess process({.arguments = command, .environment = all, .directory = directory});
  const auto exit_code = process.wait_exit();
  process.wait_output_end();
  return {.exit_code = exit_code.value_or(-1), .out = process.output(), .err = support::read_file(files / "stderr")};
}

Environment complete(const Environment& more) {
  Environment all = more;
  all.merge(Environment{{"HOME", "/nonexistent"},
                        {"PROXY_PROPLET_ID", "p1"},
                        {"PROXY_PROPLET_KEY", "hunter2"},
                        {"PROXY_CHANNEL_ID", "c1"}});
  return all;
}

}  // namespace propeller::cmd
