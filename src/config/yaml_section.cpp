#include "config/yaml_section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/parse.hpp"

namespace propeller::config {

namespace {

std::string_view name_of(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null: return "nothing";
    case YamlNode::Kind::scalar: return "a single value";
    case YamlNode::Kind::list: return "a list";
    case YamlNode::Kind::map: return "a map";
  }
  return "";
}

bool is_word(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

std::string join_path(std::string_view path, std::string_view key) {
  if (!is_word(key)) return fmt::format("{}[{}]", path, show_value(key));
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string item_path(std::string_view path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

std::string YamlReport::place(std::size_t line, std::string_view path, std::string_view what) const {
  return path.empty() ? fmt::format("{}:{}: {}", file_, line, what)
                      : fmt::format("{}:{}: {}: {}", file_, line, path, what);
}

void YamlReport::error(std::size_t line, std::string_view path, std::string_view what) {
  if (++errors_ < kYamlProblemsMax) problems_.errors.push_back(place(line, path, what));
  if (errors_ == kYamlProblemsMax) problems_.errors.push_back(place(line, "", "and more problems"));
}

void YamlReport::warning(std::size_t line, std::string_view path, std::string_view what) {
  if (++warnings_ < kYamlProblemsMax) problems_.warnings.push_back(place(line, path, what));
  if (warnings_ == kYamlProblemsMax) problems_.warnings.push_back(place(line, "", "and more warnings"));
}

YamlSection::YamlSection(const YamlNode* node, std::string path, YamlReport& report)
    : path_(std::move(path)), report_(report) {
  if (node == nullptr || node->kind == YamlNode::Kind::null) return;
  line_ = node->line;
  if (node->kind == YamlNode::Kind::map) {
    node_ = node;
  } else {
    report_.error(node->line, path_, fmt::format("a map is needed here, not {}", name_of(node->kind)));
  }
}

std::string YamlSection::path_of(std::string_view name) const { return join_path(path_, name); }

const YamlNode* YamlSection::take(std::string_view name) {
  known_.emplace_back(name);
  const auto* found = node_ == nullptr ? nullptr : node_->find(name);
  return found == nullptr || found->kind == YamlNode::Kind::null ? nullptr : found;
}

std::size_t YamlSection::line_of(std::string_view name) const {
  const auto* found = node_ == nullptr ? nullptr : node_->find(name);
  return found == nullptr ? line_ : found->line;
}

void YamlSection::set_from(const YamlNode& node, const std::string& path, const Set& set, Show show) {
  if (node.kind != YamlNode::Kind::scalar) {
    report_.error(node.line, path, fmt::format("a single value is needed here, not {}", name_of(node.kind)));
    return;
  }
  const auto refusal = set(node.text);
  if (!refusal) return;
  report_.error(node.line, path,
                show == Show::nothing ? *refusal : fmt::format("{}: {}", show_value(node.text), *refusal));
}

void YamlSection::value(std::string_view name, const Set& set, Show show) {
  if (const auto* node = take(name)) set_from(*node, path_of(name), set, show);
}

void YamlSection::boolean(std::string_view name, bool& to) {
  value(name, [&to](const std::string& text) -> Refusal {
    // YAML 1.1, which the existing configuration files were written for.
    static constexpr std::array<std::string_view, 9> kTrue{"true", "True", "TRUE", "yes", "Yes",
                                                           "YES",  "on",   "On",   "ON"};
    static constexpr std::array<std::string_view, 9> kFalse{"false", "False", "FALSE", "no", "No",
                                                            "NO",    "off",   "Off",   "OFF"};
    const bool is_true = std::ranges::find(kTrue, text) != kTrue.end();
    if (!is_true && std::ranges::find(kFalse, text) == kFalse.end()) return "allowed are true and false";
    to = is_true;
    return std::nullopt;
  });
}

void YamlSection::list(std::string_view name, std::size_t entries_max, const Set& add) {
  const auto* node = take(name);
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::list) return set_from(*node, path_of(name), add, Show::value);
  if (node->items.size() > entries_max) {
    report_.error(node->line, path_of(name), fmt::format("at most {} entries", entries_max));
    return;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i)
    set_from(node->items[i], item_path(path_of(name), i), add, Show::value);
}

void YamlSection::finish() {
  if (node_ == nullptr) return;
  const std::vector<std::string_view> names(known_.begin(), known_.end());
  for (const auto& entry : node_->entries) {
    if (std::ranges::find(names, entry.key) != names.end()) continue;
    const auto meant = suggest(entry.key, names);
    report_.error(entry.line, path_of(entry.key),
                  meant.empty() ? "unknown key" : fmt::format("unknown key; did you mean {}?", meant));
  }
}

}  // namespace propeller::config
