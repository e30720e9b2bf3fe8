#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <set>

#include "command.hpp"
#include "config/forward_loader.hpp"
#include "config/parse.hpp"
#include "config/variables.hpp"

namespace propeller::cmd {

namespace po = boost::program_options;

namespace {

/// Every flag the command knows, with its dashes, and whether it belongs to the configuration.
struct Known {
  po::options_description description;
  std::set<std::string, std::less<>> configuration;
  std::set<std::string, std::less<>> own;
};

void add_flag(Known& known, const std::string& flag, bool takes_value, bool is_switch) {
  const auto name = flag.substr(2);
  if (!takes_value) {
    known.description.add_options()(name.c_str(), "");
  } else if (is_switch) {
    known.description.add_options()(name.c_str(), po::value<std::string>()->implicit_value("true"), "");
  } else {
    known.description.add_options()(name.c_str(), po::value<std::string>(), "");
  }
}

void know(Known& known, const Command& command) {
  for (const auto& option : command.options) {
    known.own.emplace(option.flag);
    add_flag(known, std::string(option.flag), !option.placeholder.empty(), false);
  }
  if (command.takes_site) {
    for (const auto& variable : config::forward_variables()) {
      const std::string flag(variable.flag);
      if (known.configuration.insert(flag).second) add_flag(known, flag, true, variable.is_switch);
    }
  }
  if (!command.takes_configuration) return;
  for (const auto& variable : config::variables()) {
    if (variable.is_secret) continue;
    for (const auto name : variable.names()) {
      const auto flag = config::flag_of(name);
      if (known.configuration.insert(flag).second) add_flag(known, flag, true, variable.is_switch);
    }
  }
}

/// A mistyped flag, without the value that may stand behind it: it may be a key.
std::string describe_unknown(const Known& known, std::string_view token) {
  const auto flag = token.substr(0, token.find('='));
  for (const auto& variable : config::variables()) {
    if (!variable.is_secret) continue;
    for (const auto name : variable.names()) {
      if (config::flag_of(name) == flag)
        return fmt::format("there is no flag {}: others can read a command line; use {}", flag, name);
    }
  }
  std::vector<std::string_view> candidates(known.configuration.begin(), known.configuration.end());
  candidates.insert(candidates.end(), known.own.begin(), known.own.end());
  const auto meant = config::suggest(flag, candidates);
  return fmt::format("unknown flag {}{}", config::show_value(flag),
                     meant.empty() ? "" : fmt::format("; did you mean {}?", meant));
}

bool is_known(const Known& known, std::string_view flag) {
  return known.configuration.contains(flag) || known.own.contains(flag);
}

/// `-config x` is `--config x`, as with the existing proxies.
std::vector<std::string> with_two_dashes(const Known& known, std::vector<std::string> arguments) {
  for (auto& argument : arguments) {
    const auto flag = "-" + argument.substr(0, argument.find('='));
    if (argument.starts_with('-') && is_known(known, flag)) argument.insert(0, 1, '-');
  }
  return arguments;
}

}  // namespace

std::vector<std::string> take_words(const Command& command, std::vector<std::string>& arguments) {
  Known known;
  know(known, command);
  arguments = with_two_dashes(known, std::move(arguments));
  std::vector<std::string> words;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto& argument = arguments[i];
    if (!argument.starts_with('-')) {
      words.push_back(std::move(argument));
      continue;
    }
    const auto* const option = known.description.find_nothrow(argument.substr(argument.find_first_not_of('-')), false);
    const bool takes_value = option != nullptr && option->semantic()->min_tokens() > 0;
    rest.push_back(std::move(argument));
    if (takes_value && i + 1 < arguments.size()) rest.push_back(std::move(arguments[++i]));
  }
  arguments = std::move(rest);
  return words;
}

std::vector<std::string> Parsed::values(std::string_view flag) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : own_in_order) {
    if (name == flag) values.push_back(value);
  }
  return values;
}

int usage_error(std::string_view command, std::string_view text) {
  fmt::print(stderr, "propeller-proxy: {}\nTry: propeller-proxy {}--help\n", text,
             command.empty() ? "" : fmt::format("{} ", command));
  return kExitUsage;
}

std::optional<Parsed> parse_flags(const Command& command, const std::vector<std::string>& arguments, int& exit_code) {
  // Before anything else, so that it helps on a line with mistakes too.
  if (std::any_of(arguments.begin(), arguments.end(), [](const auto& a) { return a == "--help" || a == "-h"; })) {
    fmt::print("{}", help_text(command));
    exit_code = kExitOk;
    return std::nullopt;
  }
  exit_code = kExitUsage;
  Known known;
  know(known, command);
  Parsed parsed;
  try {
    namespace style = po::command_line_style;
    const auto result = po::command_line_parser(with_two_dashes(known, arguments))
                            .options(known.description)
                            .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
                            .allow_unregistered()
                            .run();
    for (const auto& option : result.options) {
      if (!option.unregistered) continue;
      usage_error(command.name, describe_unknown(known, option.original_tokens.at(0)));
      return std::nullopt;
    }
    for (const auto& option : result.options) {
      if (option.position_key >= 0) {
        usage_error(command.name, fmt::format("unexpected argument {}", config::show_value(option.value.at(0))));
        return std::nullopt;
      }
      const auto flag = "--" + option.string_key;
      if (known.own.contains(flag)) {
        parsed.own[flag] = option.value.empty() ? std::string() : option.value.back();
        parsed.own_in_order.emplace_back(flag, parsed.own[flag]);
      } else {
        // Only switches may stand without a value.
        parsed.configuration[flag] = option.value.empty() ? "true" : option.value.back();
      }
    }
  } catch (const po::error& error) {
    usage_error(command.name, error.what());
    return std::nullopt;
  }
  return parsed;
}

}  // namespace propeller::cmd
