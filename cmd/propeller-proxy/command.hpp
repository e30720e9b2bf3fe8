#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/loader.hpp"

/// The sub-commands: one file each, and one table that dispatch, --help and the manual page read.
namespace propeller::cmd {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// A flag of one command, besides those of the configuration.
struct Option {
  std::string_view flag;         ///< "--drain-file"
  std::string_view placeholder;  ///< of its value; empty: it takes none
  std::string_view help;
};

/// What the program was called with.
struct Call {
  std::vector<std::string> arguments;  ///< after the sub-command
  config::Environment environment;
};

struct Command {
  std::string_view name;
  std::string_view synopsis;  ///< what follows the name
  std::string_view summary;
  std::string_view description;
  std::span<const Option> options;
  std::string_view examples;  ///< one a line
  std::string_view exit_codes;
  bool takes_configuration = false;  ///< every variable is a flag too
  int (*run)(const Call& call) = nullptr;
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command& command_named(std::string_view name);

int run_run(const Call& call);
int run_check(const Call& call);
int run_healthcheck(const Call& call);
int run_version(const Call& call);

/// Flags taken apart. An exit code instead when there is nothing more to do: --help was printed, or a mistake.
struct Parsed {
  config::Flags configuration;
  config::Flags own;  ///< by flag; "" for one without value
};
[[nodiscard]] std::optional<Parsed> parse_flags(const Command& command, const std::vector<std::string>& arguments,
                                                int& exit_code);

/// "propeller-proxy: ..." on standard error, with a hint where help is. Returns kExitUsage.
int usage_error(std::string_view command, std::string_view text);

/// The configuration of this process.
[[nodiscard]] config::Loaded load_configuration(const Call& call, const config::Flags& flags);

[[nodiscard]] std::string help_text();
[[nodiscard]] std::string help_text(const Command& command);
[[nodiscard]] std::string environment_markdown();
[[nodiscard]] std::string manual_page();

}  // namespace propeller::cmd
