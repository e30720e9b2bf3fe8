#include "forward/header_rules.hpp"

#include <algorithm>

#include "http/syntax.hpp"

namespace propeller::forward {

using http::equals_ignoring_case;

namespace {

bool holds(const std::vector<config::HeaderCondition>& conditions, http::FieldView fields) {
  return std::ranges::all_of(conditions, [&](const config::HeaderCondition& condition) {
    return fields.find(condition.header) == std::string_view(condition.equals);
  });
}

void change(std::vector<Injection::Change>& changes, std::string_view name, Secret value) {
  const auto there =
      std::ranges::find_if(changes, [&](const Injection::Change& one) { return equals_ignoring_case(one.name, name); });
  if (there == changes.end()) {
    changes.push_back({name, std::move(value)});
  } else {
    there->value = std::move(value);
  }
}

}  // namespace

HeaderRules::HeaderRules(std::vector<config::HeaderRule> rules) {
  rules_.reserve(rules.size());
  for (auto& rule : rules) {
    HostPattern pattern(rule.pattern);
    rules_.push_back({std::move(pattern), std::move(rule)});
  }
  std::ranges::sort(rules_, [](const Rule& a, const Rule& b) { return (a.pattern <=> b.pattern) < 0; });
}

Injection HeaderRules::apply(std::string_view host, http::FieldView fields) const {
  const auto rule = std::ranges::find_if(
      rules_, [&](const Rule& one) { return one.pattern.matches(host) && holds(one.what.conditions, fields); });
  if (rule == rules_.end()) return {};
  Injection injection{.pattern = rule->pattern.text(), .changes = {}};
  for (const auto& [name, value] : rule->what.set) change(injection.changes, name, value);
  for (const auto& [name, value] : rule->what.append) {
    const auto was_set = std::ranges::find_if(
        injection.changes, [&](const Injection::Change& one) { return equals_ignoring_case(one.name, name); });
    auto all = was_set == injection.changes.end() ? fields.joined(name) : was_set->value.reveal();
    if (!all.empty()) all += ", ";
    change(injection.changes, name, Secret(all + value.reveal()));
  }
  return injection;
}

}  // namespace propeller::forward
