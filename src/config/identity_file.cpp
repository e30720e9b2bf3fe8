#include "config/identity_file.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "config/parse.hpp"

namespace propeller::config {

namespace {

struct Key {
  std::string_view name;
  std::string_view variable;
};
// Where two names mean one variable, the first that is there wins.
constexpr std::array<Key, 7> kKeys{{{"client_id", "PROXY_PROPLET_ID"},
                                    {"entity_id", "PROXY_PROPLET_ID"},
                                    {"client_key", "PROXY_PROPLET_KEY"},
                                    {"api_key", "PROXY_PROPLET_KEY"},
                                    {"channel_id", "PROXY_CHANNEL_ID"},
                                    {"domain_id", "PROXY_DOMAIN_ID"},
                                    {"tenant_id", "PROXY_DOMAIN_ID"}}};

std::string line_of(std::string_view text, std::size_t number) {
  for (; number > 1; --number) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return std::string(text.substr(0, text.find('\n')));
}

std::string read_bounded(const std::filesystem::path& file, Problems& problems) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    problems.errors.push_back(fmt::format("{}: cannot be read", file.string()));
    return {};
  }
  std::string text(kIdentityFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kIdentityFileBytesMax) {
    problems.errors.push_back(fmt::format("{}: larger than {} bytes", file.string(), kIdentityFileBytesMax));
    return {};
  }
  return text;
}

}  // namespace

std::map<std::string, std::string, std::less<>> read_identity_file(const std::filesystem::path& file,
                                                                   Problems& problems) {
  std::map<std::string, std::string, std::less<>> values;
  const auto text = read_bounded(file, problems);
  toml::table document;
  try {
    document = toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    const auto where = error.source().begin;
    // The parser quotes what it did not understand, which on such a line may be the key.
    const bool may_hold_secret = line_of(text, where.line).find("key") != std::string::npos;
    problems.errors.push_back(
        fmt::format("{}, line {}, column {}: {}", file.string(), where.line, where.column,
                    may_hold_secret ? "not valid TOML (is the value in quotes?)" : error.description()));
    return values;
  }
  const auto* section = document["proxy"].as_table();
  if (section == nullptr) {
    problems.warnings.push_back(fmt::format("{}: has no [proxy] section", file.string()));
    return values;
  }
  std::vector<std::string_view> known;
  for (const auto& key : kKeys) known.push_back(key.name);
  for (const auto& [key, node] : *section) {
    const auto line = node.source().begin.line;
    const auto is_known = std::find(known.begin(), known.end(), key.str()) != known.end();
    if (!is_known) {
      const auto meant = suggest(key.str(), known);
      problems.warnings.push_back(fmt::format("{}, line {}: unknown key {} in [proxy]{}", file.string(), line,
                                              show_value(key.str()),
                                              meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
    } else if (!node.is_string()) {
      problems.errors.push_back(
          fmt::format("{}, line {}: {} has to be a string in quotes", file.string(), line, key.str()));
    }
  }
  for (const auto& key : kKeys) {
    const auto value = (*section)[key.name].value<std::string>();
    if (value && !value->empty()) values.emplace(key.variable, *value);
  }
  return values;
}

}  // namespace propeller::config
