#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/planes.hpp"

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
  bool takes_configuration = false;  ///< every variable of the bridge and of the process is a flag too
  bool takes_site = false;           ///< and those of the forward proxy
  int (*run)(const Call& call) = nullptr;
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command& command_named(std::string_view name);

int run_run(const Call& call);
int run_check(const Call& call);
int run_healthcheck(const Call& call);
int run_version(const Call& call);
int run_trust(const Call& call);
int run_init_certs(const Call& call);
int run_cache(const Call& call);
int run_import_cache(const Call& call);
int run_env(const Call& call);
int run_exec(const Call& call);
int run_init(const Call& call);

/// Flags taken apart. An exit code instead when there is nothing more to do: --help was printed, or a mistake.
struct Parsed {
  config::Flags configuration;
  config::Flags own;  ///< by flag; "" for one without value; the last one where there are several
  std::vector<std::pair<std::string, std::string>> own_in_order;

  /// Every value of a flag that may be there more than once.
  [[nodiscard]] std::vector<std::string> values(std::string_view flag) const;
};
[[nodiscard]] std::optional<Parsed> parse_flags(const Command& command, const std::vector<std::string>& arguments,
                                                int& exit_code);

/// `trust install`: makes the authority, and installs it. kExitOk when every store that is there trusts it.
[[nodiscard]] int install_trust(const Call& call, const Parsed& flags);

/// "propeller-proxy: ..." on standard error, with a hint where help is. Returns kExitUsage.
int usage_error(std::string_view command, std::string_view text);

/// The configuration of the bridge's side, as a device needs it too.
[[nodiscard]] config::Loaded load_configuration(const Call& call, const config::Flags& flags);
/// The configuration of this process, with every problem of the planes that run.
[[nodiscard]] config::SiteLoaded load_site_configuration(const Call& call, const config::Flags& flags);
/// Those of the forward proxy alone.
[[nodiscard]] config::ForwardLoaded load_forward_configuration(const Call& call, const config::Flags& flags);
/// "warning: ..." and "error: ..." lines on standard error.
void print_problems(const config::Problems& problems);
/// The words among the arguments that are no flags and no flags' values, taken out of them.
[[nodiscard]] std::vector<std::string> take_words(const Command& command, std::vector<std::string>& arguments);

[[nodiscard]] std::string help_text();
[[nodiscard]] std::string help_text(const Command& command);
[[nodiscard]] std::string environment_markdown();
[[nodiscard]] std::string manual_page();

}  // namespace propeller::cmd
