#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "app/service.hpp"
#include "command.hpp"
#include "config/forward_loader.hpp"
#include "config/variables.hpp"

namespace propeller::cmd {

namespace {

using config::Group;
constexpr std::array kGroups{Group::identity,  Group::broker, Group::registry,
                             Group::transfers, Group::store,  Group::service};
constexpr std::size_t kWidth = 100;

constexpr std::string_view kWhatItIs =
    "The proxy of an edge site: streams WASM images from any OCI registry to devices over MQTT, and is the site's\n"
    "caching HTTP, HTTPS and SOCKS proxy. The bridge is configured by environment variables, the proxy by\n"
    "propeller-proxy.yaml; every variable except the secrets is a flag too, and a flag wins.";

/// Breaks at blanks; the lines after the first begin with `indent` blanks.
std::string wrap(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const auto blank = text.find(' ');
    const auto word = text.substr(0, blank);
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
  }
  return out;
}

std::string indented(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    fmt::format_to(std::back_inserter(out), "  {}\n", lines.substr(0, end));
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
  return out;
}

std::string names_of(const config::Variable& variable, std::string_view separator) {
  std::string out;
  for (const auto name : variable.names())
    fmt::format_to(std::back_inserter(out), "{}{}", out.empty() ? "" : separator, name);
  return out;
}

/// The flags of a variable; LOG_LEVEL and PROXY_LOG_LEVEL share one.
std::vector<std::string> flags_of(const config::Variable& variable) {
  std::vector<std::string> flags;
  if (variable.is_secret) return flags;
  for (const auto name : variable.names()) {
    auto flag = config::flag_of(name);
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.push_back(std::move(flag));
  }
  return flags;
}

std::string sentence_of(const config::Variable& variable) {
  std::string out(variable.help);
  if (!variable.default_text.empty()) fmt::format_to(std::back_inserter(out), " (default: {})", variable.default_text);
  return out;
}

std::string environment_help() {
  std::string out;
  const auto to = std::back_inserter(out);
  for (const auto group : kGroups) {
    fmt::format_to(to, "\n{}:\n", title_of(group));
    for (const auto& variable : config::variables()) {
      if (variable.group != group) continue;
      fmt::format_to(to, "  {}\n", names_of(variable, " | "));
      const auto flags = flags_of(variable);
      if (!flags.empty()) fmt::format_to(to, "      {} {}\n", fmt::join(flags, " | "), variable.placeholder);
      fmt::format_to(to, "          {}\n", wrap(sentence_of(variable), 10));
    }
  }
  return out;
}

/// Told among the variables of the process.
bool is_of_every_plane(const config::ForwardVariable& variable) { return variable.flag.starts_with("--log-"); }

std::string site_help(bool has_configuration) {
  std::string out = "\nForward proxy:\n";
  const auto to = std::back_inserter(out);
  for (const auto& variable : config::forward_variables()) {
    if (is_of_every_plane(variable) && has_configuration) continue;
    fmt::format_to(to, "  {}{}{}\n      {} {}\n          {} (default: {})\n", variable.names[0],
                   variable.names[1].empty() ? "" : " | ", variable.names[1], variable.flag, variable.placeholder,
                   wrap(variable.help, 10), variable.default_text);
  }
  return out;
}

/// Text for troff: backslashes and hyphens escaped, no line that begins with a dot or quote.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

/// Those that are none left out.
std::string in_code(std::span<const std::string_view> names) {
  std::string out;
  for (const auto name : names) {
    if (!name.empty()) fmt::format_to(std::back_inserter(out), "{}`{}`", out.empty() ? "" : ", ", name);
  }
  return out;
}

}  // namespace

std::string help_text() {
  std::string out = fmt::format("Usage: propeller-proxy [COMMAND] [FLAG...]\n\n{}\n\nCommands:\n", kWhatItIs);
  const auto to = std::back_inserter(out);
  for (const auto& command : commands()) fmt::format_to(to, "  {:<12} {}\n", command.name, command.summary);
  fmt::format_to(to, "\nExamples:\n");
  for (const auto& command : commands()) {
    fmt::format_to(to, "  {}\n", command.examples.substr(0, command.examples.find('\n')));
  }
  fmt::format_to(to, "\nExit codes:\n{}", indented(command_named("run").exit_codes));
  fmt::format_to(to, "\npropeller-proxy COMMAND --help tells more; propeller-proxy run --help lists every variable.\n");
  return out;
}

std::string help_text(const Command& command) {
  std::string out = fmt::format("Usage: propeller-proxy {}{}{}\n\n{}\n", command.name,
                                command.synopsis.empty() ? "" : " ", command.synopsis, command.description);
  const auto to = std::back_inserter(out);
  if (!command.options.empty()) fmt::format_to(to, "\nFlags:\n");
  for (const auto& option : command.options) {
    fmt::format_to(to, "  {}{}{}\n          {}\n", option.flag, option.placeholder.empty() ? "" : " ",
                   option.placeholder, wrap(option.help, 10));
  }
  fmt::format_to(to, "\nExamples:\n{}", indented(command.examples));
  fmt::format_to(to, "\nExit codes:\n{}", indented(command.exit_codes));
  if (command.takes_configuration || command.takes_site) {
    fmt::format_to(to,
                   "\nEvery variable, and its flag, which wins. Of several names the first that is set is taken.\n");
  }
  if (command.takes_site) out += site_help(command.takes_configuration);
  if (command.takes_configuration) out += environment_help();
  return out;
}

std::string environment_markdown() {
  std::string out;
  const auto to = std::back_inserter(out);
  for (const auto group : kGroups) {
    fmt::format_to(to, "| {} | default | |\n|---|---|---|\n", title_of(group));
    for (const auto& variable : config::variables()) {
      if (variable.group != group) continue;
      fmt::format_to(to, "| {} | {} | {} |\n", in_code(variable.names()), variable.default_text, variable.help);
    }
    out += '\n';
  }
  fmt::format_to(to, "| Forward proxy | default | |\n|---|---|---|\n");
  for (const auto& variable : config::forward_variables()) {
    if (is_of_every_plane(variable)) continue;
    fmt::format_to(to, "| {} | {} | {} |\n", in_code(variable.names), variable.default_text, variable.help);
  }
  return out;
}

std::string manual_page() {
  std::string out = fmt::format(".TH PROPELLER\\-PROXY 1 \"\" \"propeller\\-proxy {}\"\n", app::version());
  const auto to = std::back_inserter(out);
  fmt::format_to(to,
                 ".SH NAME\npropeller\\-proxy \\- the proxy of an edge site: WASM images to MQTT devices, HTTP and "
                 "HTTPS with a cache\n.SH SYNOPSIS\n");
  for (const auto& command : commands()) {
    fmt::format_to(to, ".B propeller\\-proxy {}\n{}\n.br\n", roff(command.name), roff(command.synopsis));
  }
  fmt::format_to(to, ".SH DESCRIPTION\n{}\n.SH COMMANDS\n", roff(kWhatItIs));
  for (const auto& command : commands()) {
    fmt::format_to(to, ".SS {}\n{}.\n.PP\n{}\n", roff(command.name), roff(command.summary), roff(command.description));
    for (const auto& option : command.options) {
      fmt::format_to(to, ".TP\n.BR {} \" {}\"\n{}.\n", roff(option.flag), roff(option.placeholder), roff(option.help));
    }
    fmt::format_to(to, ".PP\nExit codes:\n.nf\n{}.fi\n.PP\nExamples:\n.nf\n{}.fi\n", roff(indented(command.exit_codes)),
                   roff(indented(command.examples)));
  }
  fmt::format_to(
      to, ".SH ENVIRONMENT\nOf several names the first that is set is taken; an empty variable counts as not set.\n");
  for (const auto group : kGroups) {
    fmt::format_to(to, ".SS {}\n", title_of(group));
    for (const auto& variable : config::variables()) {
      if (variable.group != group) continue;
      const auto flags = flags_of(variable);
      fmt::format_to(to, ".TP\n.B {}\n{}.{}\n", roff(names_of(variable, " | ")), roff(sentence_of(variable)),
                     flags.empty() ? ""
                                   : fmt::format("\n.br\nFlag: {}",
                                                 roff(fmt::format("{} {}", flags.front(), variable.placeholder))));
    }
  }
  fmt::format_to(to, ".SS Forward proxy\n");
  for (const auto& variable : config::forward_variables()) {
    if (is_of_every_plane(variable)) continue;
    fmt::format_to(to, ".TP\n.B {}{}{}\n{} (default: {}).\n.br\nFlag: {} {}\n", roff(variable.names[0]),
                   variable.names[1].empty() ? "" : " | ", roff(variable.names[1]), roff(variable.help),
                   roff(variable.default_text), roff(variable.flag), roff(variable.placeholder));
  }
  fmt::format_to(to,
                 ".SH FILES\n.TP\n.I config.toml\nIds and key, in a section [proxy], where the variables are not set.\n"
                 ".TP\n.I propeller\\-proxy.yaml\nThe forward proxy; its keys are in docs/configuration.md.\n"
                 ".TP\n.I ~/.docker/config.json\nCredentials of registries.\n"
                 ".TP\n.I /etc/propeller\\-proxy/env\nVariables of the systemd service.\n"
                 ".SH SIGNALS\nSIGTERM and SIGINT end it when what is in progress is done, or after "
                 "PROXY_SHUTDOWN_TIMEOUT; a second one ends it at once. SIGHUP makes the forward proxy read its file "
                 "again and open its log file anew.\n");
  return out;
}

}  // namespace propeller::cmd
