#include "forward/runtime_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/rule_text.hpp"
#include "forward/redaction.hpp"

namespace propeller::forward {

namespace {

using config::AllowList;
using config::HeaderRule;
using config::RuntimeRules;
using nlohmann::json;

std::unexpected<Error> refused(std::string message) {
  return fail(Code::bad_request, Origin::client, std::move(message));
}

std::unexpected<Error> invalid_json(std::string_view why) { return refused(fmt::format("invalid JSON: {}", why)); }

/// Text of the document in a message: short, and without what would break a line.
std::string shown(std::string_view text) {
  constexpr std::size_t kShownBytesMax = 253;
  std::string out(text.substr(0, kShownBytesMax));
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

Result<json> parse(std::string_view document) {
  if (document.size() > kRuntimeConfigBytesMax)
    return invalid_json(fmt::format("more than {} bytes", kRuntimeConfigBytesMax));
  bool is_too_deep = false;
  bool is_doubled = false;
  std::vector<std::vector<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    is_too_deep = is_too_deep || static_cast<std::size_t>(depth) > kRuntimeConfigDepthMax;
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty()) {
      auto& names = keys.back();
      const auto& name = value.get_ref<const std::string&>();
      // Which of two counts, readers disagree about. Large objects are bounded by what they may hold.
      is_doubled =
          is_doubled || (names.size() <= config::kHeaderRulesMax && std::ranges::find(names, name) != names.end());
      names.push_back(name);
    }
    return !is_too_deep;
  };
  json value;
  try {
    value = json::parse(document, watch);
  } catch (const json::exception& wrong) {
    return invalid_json(document.empty() ? "EOF" : shown(wrong.what()));
  }
  if (is_too_deep) return invalid_json(fmt::format("nested more than {} levels deep", kRuntimeConfigDepthMax));
  if (is_doubled) return invalid_json("a key is there twice");
  if (value.is_null()) return json::object();
  if (!value.is_object()) return invalid_json("an object is needed");
  return value;
}

/// Every key has to be one of `known`: a rule that is misspelt would be lost without a word.
Result<void> check_keys(const json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end())
      return invalid_json(fmt::format("unknown field \"{}\"", shown(key)));
  }
  return {};
}

/// The member, or null when it is missing or null.
const json* member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<void> add_texts(const json& object, const char* key, std::vector<std::string>& to,
                       bool (*is_valid)(std::string_view), std::string_view invalid) {
  const auto* list = member(object, key);
  if (list == nullptr) return {};
  if (!list->is_array()) return invalid_json(fmt::format("{} is not a list", key));
  for (const auto& entry : *list) {
    if (!entry.is_string()) return invalid_json(fmt::format("{} has an entry that is no text", key));
    const auto& text = entry.get_ref<const std::string&>();
    if (!is_valid(text)) return refused(fmt::format("{}: {}", invalid, shown(text)));
    if (to.size() > config::kListEntriesMax) break;
    if (std::ranges::find(to, text) == to.end()) to.push_back(text);
  }
  if (to.size() > config::kListEntriesMax)
    return refused(fmt::format("too many entries in allowlist.{}: at most {}", key, config::kListEntriesMax));
  return {};
}

Result<void> merge_allowlist(const json& document, AllowList& to) {
  const auto* list = member(document, "allowlist");
  if (list == nullptr) return {};
  if (!list->is_object()) return invalid_json("allowlist is not an object");
  if (auto known = check_keys(*list, {"enabled", "domains", "ips"}); !known) return known;
  if (const auto* enabled = member(*list, "enabled")) {
    if (!enabled->is_boolean()) return invalid_json("allowlist.enabled is not true or false");
    to.is_enabled = enabled->get<bool>();
  }
  auto added = add_texts(*list, "domains", to.domains, config::is_domain_pattern, "invalid allowlist domain");
  if (!added) return added;
  return add_texts(*list, "ips", to.ips, config::is_address_or_range, "invalid IP/CIDR");
}

Result<void> read_conditions(const json& document, const std::string& pattern, HeaderRule& rule) {
  const auto* list = member(document, "conditions");
  if (list == nullptr) return {};
  if (!list->is_array()) return invalid_json("conditions is not a list");
  const auto wrong = [&](std::string_view why) {
    return refused(fmt::format("invalid header rule for {}: {}", pattern, why));
  };
  if (list->size() > config::kHeaderEntriesMax) return wrong("too many conditions");
  for (const auto& entry : *list) {
    if (!entry.is_object()) return invalid_json("a condition is not an object");
    if (auto known = check_keys(entry, {"header", "equals"}); !known) return known;
    const auto* header = member(entry, "header");
    const auto* equals = member(entry, "equals");
    if ((header != nullptr && !header->is_string()) || (equals != nullptr && !equals->is_string()))
      return invalid_json("header and equals of a condition are texts");
    config::HeaderCondition condition{.header = header == nullptr ? "" : header->get<std::string>(),
                                      .equals = equals == nullptr ? "" : equals->get<std::string>()};
    if (condition.header.empty()) return wrong("a condition without header");
    if (condition.equals.empty()) return wrong("a condition without equals");
    if (!config::is_header_name(condition.header)) return wrong("a condition on what is no header name");
    if (!config::is_header_value(condition.equals)) return wrong("a condition on what no header value can be");
    rule.conditions.push_back(std::move(condition));
  }
  return {};
}

Result<void> read_values(const json& document, const char* key, const std::string& pattern,
                         std::vector<config::HeaderValue>& to) {
  const auto* values = member(document, key);
  if (values == nullptr) return {};
  if (!values->is_object()) return invalid_json(fmt::format("{} is not an object", key));
  const auto wrong = [&](std::string_view why) {
    return refused(fmt::format("invalid header rule for {}: {}", pattern, why));
  };
  if (values->size() > config::kHeaderEntriesMax) return wrong("too many headers");
  for (const auto& [name, value] : values->items()) {
    if (!value.is_string()) return invalid_json(fmt::format("a value of {} is no text", key));
    if (!config::is_header_name(name)) return wrong(fmt::format("{} is no header name", shown(name)));
    if (!config::is_settable_header(name)) return wrong(fmt::format("{} belongs to the connection", shown(name)));
    // The value itself stays out of the message: it may be a key.
    if (!config::is_header_value(value.get_ref<const std::string&>()))
      return wrong(fmt::format("the value of {} is none that a header can have", shown(name)));
    to.push_back({.name = name, .value = Secret(value.get<std::string>())});
  }
  return {};
}

Result<HeaderRule> read_rule(const std::string& pattern, const json& document) {
  HeaderRule rule{.pattern = lower(pattern), .conditions = {}, .set = {}, .append = {}};
  if (document.is_null()) return rule;
  if (!document.is_object()) return invalid_json("a header rule is not an object");
  Result<void> read = check_keys(document, {"conditions", "set", "append"});
  if (read) read = read_conditions(document, pattern, rule);
  if (read) read = read_values(document, "set", pattern, rule.set);
  if (read) read = read_values(document, "append", pattern, rule.append);
  if (!read) return std::unexpected(read.error());
  return rule;
}

Result<void> merge_headers(const json& document, std::vector<HeaderRule>& to) {
  const auto* headers = member(document, "headers");
  if (headers == nullptr) return {};
  if (!headers->is_object()) return invalid_json("headers is not an object");
  for (const auto& [pattern, value] : headers->items()) {
    if (!config::is_domain_pattern(pattern)) return refused(fmt::format("invalid domain pattern: {}", shown(pattern)));
    auto rule = read_rule(pattern, value);
    if (!rule) return std::unexpected(rule.error());
    std::erase_if(to, [&](const HeaderRule& one) { return one.pattern == rule->pattern; });
    if (!rule->set.empty() || !rule->append.empty()) to.push_back(std::move(*rule));
    if (to.size() > config::kHeaderRulesMax)
      return refused(fmt::format("too many header rules: at most {}", config::kHeaderRulesMax));
  }
  return {};
}

json show_values(const std::vector<config::HeaderValue>& values) {
  json shown = json::object();
  for (const auto& [name, value] : values) shown[name] = value.empty() ? "" : kRedacted;
  return shown;
}

json show_rule(const HeaderRule& rule) {
  json shown = json::object();
  for (const auto& condition : rule.conditions) {
    const std::string_view equals = is_secret_header(condition.header) ? kRedacted : std::string_view(condition.equals);
    shown["conditions"].push_back({{"header", condition.header}, {"equals", equals}});
  }
  if (!rule.set.empty()) shown["set"] = show_values(rule.set);
  if (!rule.append.empty()) shown["append"] = show_values(rule.append);
  return shown;
}

/// As a line; text that is no UTF-8 gets replacement characters instead of an exception.
std::string line_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

}  // namespace

Result<RuntimeRules> merge_rules(const RuntimeRules& rules, std::string_view document) {
  const auto parsed = parse(document);
  if (!parsed) return std::unexpected(parsed.error());
  RuntimeRules merged = rules;
  Result<void> result = check_keys(*parsed, {"allowlist", "headers"});
  if (result) result = merge_headers(*parsed, merged.headers);
  if (result) result = merge_allowlist(*parsed, merged.allowlist);
  if (!result) return std::unexpected(result.error());
  return merged;
}

Result<RuntimeRules> overwrite_rules(std::string_view document) { return merge_rules({}, document); }

std::string show_rules(const RuntimeRules& rules) {
  json shown = {
      {"allowlist",
       {{"enabled", rules.allowlist.is_enabled}, {"domains", rules.allowlist.domains}, {"ips", rules.allowlist.ips}}},
      {"headers", json::object()}};
  for (const auto& rule : rules.headers) shown["headers"][rule.pattern] = show_rule(rule);
  return line_of(shown);
}

std::string error_body(std::string_view message) { return line_of({{"error", message}}); }

}  // namespace propeller::forward
