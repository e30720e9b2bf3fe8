#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "command.hpp"
#include "config/parse.hpp"

namespace propeller::cmd {

namespace {

config::Environment environment_of_process() {
  config::Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

int dispatch(std::vector<std::string> arguments) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "--help" || first == "-h" || first == "help") {
    fmt::print("{}", help_text());
    return kExitOk;
  }
  std::string name = "run";
  if (first == "--version") {
    name = "version";
    arguments.erase(arguments.begin());
  } else if (!first.empty() && !first.starts_with('-')) {
    name = first;
    arguments.erase(arguments.begin());
  }
  // What existing proxies are started with.
  if (name == "serve") name = "run";
  std::vector<std::string_view> names;
  for (const auto& command : commands()) names.push_back(command.name);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const auto meant = config::suggest(name, names);
    return usage_error("", fmt::format("unknown command {}{}", config::show_value(name),
                                       meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
  }
  return command_named(name).run({.arguments = std::move(arguments), .environment = environment_of_process()});
}

}  // namespace

}  // namespace propeller::cmd

int main(int argc, char** argv) {
  // A peer that closes its end is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error of the write, as a full disk is
  try {
    const int exit_code = propeller::cmd::dispatch({argv + 1, argv + argc});
    const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    return exit_code == 0 && !is_written ? propeller::cmd::kExitFailure : exit_code;
  } catch (const std::system_error&) {
    // fmt throws when standard output or error cannot be written (a full disk): there is nobody to tell.
    return propeller::cmd::kExitFailure;
  }
}
