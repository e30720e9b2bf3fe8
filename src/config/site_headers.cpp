#include "config/site_headers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/rule_text.hpp"

namespace propeller::config {

namespace {

using V = const std::string&;

constexpr auto kValueAllowed =
    "allowed is text without control characters and without blanks around it, at most 16 KiB";

Refusal set_name(std::string& to, V value) {
  if (!is_header_name(value)) return "not the name of a header";
  to = value;
  return std::nullopt;
}

void read_condition(YamlSection section, std::size_t line, HeaderRule& rule) {
  HeaderCondition condition;
  section.value("header", [&](V v) { return set_name(condition.header, v); });
  section.value(
      "equals",
      [&](V v) -> Refusal {
        if (!is_header_value(v)) return kValueAllowed;
        condition.equals = v;
        return std::nullopt;
      },
      Show::nothing);
  for (const auto* name : {"header", "equals"}) {
    if (section.take(name) == nullptr) section.report().error(line, section.path_of(name), "a value is needed");
  }
  if (condition.equals.empty() && section.take("equals") != nullptr)
    section.report().error(line, section.path_of("equals"), "a value is needed that can be equal");
  section.finish();
  rule.conditions.push_back(std::move(condition));
}

void read_conditions(YamlSection& section, HeaderRule& rule) {
  const auto* node = section.take("conditions");
  if (node == nullptr) return;
  const auto path = section.path_of("conditions");
  if (node->kind != YamlNode::Kind::list) {
    section.report().error(node->line, path, "a list is needed here");
    return;
  }
  if (node->items.size() > kHeaderEntriesMax) {
    section.report().error(node->line, path, fmt::format("at most {} entries", kHeaderEntriesMax));
    return;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i)
    read_condition({&node->items[i], item_path(path, i), section.report()}, node->items[i].line, rule);
}

void read_values(YamlSection section, std::vector<HeaderValue>& to) {
  const auto* node = section.node();
  if (node == nullptr) return;
  if (node->entries.size() > kHeaderEntriesMax) {
    section.report().error(node->line, section.path(), fmt::format("at most {} headers", kHeaderEntriesMax));
    return;
  }
  for (const auto& entry : node->entries) {
    if (!is_header_name(entry.key)) {
      section.report().error(entry.line, section.path_of(entry.key), "not the name of a header");
      continue;
    }
    if (!is_settable_header(entry.key)) {
      section.report().error(entry.line, section.path_of(entry.key),
                             "this header belongs to the connection, a rule cannot change it");
      continue;
    }
    // An empty value in YAML is null; as a header it is the empty text.
    if (entry.value.kind == YamlNode::Kind::null) {
      to.push_back({.name = entry.key, .value = Secret()});
      continue;
    }
    section.value(
        entry.key,
        [&](V v) -> Refusal {
          if (!is_header_value(v)) return kValueAllowed;
          to.push_back({.name = entry.key, .value = Secret(v)});
          return std::nullopt;
        },
        Show::nothing);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; });
  return out;
}

HeaderRule read_rule(std::string pattern, YamlSection section) {
  HeaderRule rule{.pattern = std::move(pattern), .conditions = {}, .set = {}, .append = {}};
  read_conditions(section, rule);
  read_values(section.section("set"), rule.set);
  read_values(section.section("append"), rule.append);
  section.finish();
  return rule;
}

}  // namespace

void read_headers(YamlSection section, std::vector<HeaderRule>& to) {
  const auto* node = section.node();
  if (node == nullptr) return;
  if (node->entries.size() > kHeaderRulesMax) {
    section.report().error(node->line, section.path(), fmt::format("at most {} rules", kHeaderRulesMax));
    return;
  }
  for (const auto& entry : node->entries) {
    if (!is_domain_pattern(entry.key)) {
      section.report().error(entry.line, section.path_of(entry.key),
                             "invalid domain pattern: allowed is a host name, *.suffix, prefix.* or *");
      continue;
    }
    auto rule = read_rule(lower(entry.key), section.section(entry.key));
    if (std::ranges::find(to, rule.pattern, &HeaderRule::pattern) != to.end()) {
      section.report().error(entry.line, section.path_of(entry.key), "this pattern is there twice, in another case");
      continue;
    }
    to.push_back(std::move(rule));
  }
}

}  // namespace propeller::config
