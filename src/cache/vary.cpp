#include "cache/vary.hpp"

#include <algorithm>
#include <array>

#include "base/digest.hpp"
#include "http/syntax.hpp"

namespace propeller::cache {

namespace {

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), http::to_lower);
  return lowered;
}

/// Fields whose members are weighed, not ordered (RFC 9110 section 12.5).
bool is_weighed(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kNames{"accept", "accept-charset", "accept-encoding",
                                                          "accept-language"};
  return std::ranges::find(kNames, name) != kNames.end();
}

/// "da, en-gb;q=0.8": without the blanks that mean nothing.
std::string weighed_member(std::string_view member) {
  auto text = lower(member);
  std::erase_if(text, [](char byte) { return byte == ' ' || byte == '\t'; });
  return text;
}

std::string normal_value(std::string_view name, std::string_view value) {
  std::vector<std::string> members;
  while (const auto member = http::next_member(value))
    members.push_back(is_weighed(name) ? weighed_member(*member) : std::string(*member));
  if (is_weighed(name)) std::ranges::sort(members);
  std::string text;
  for (const auto& member : members) text.append(member).append(",");
  return text;
}

}  // namespace

std::optional<std::vector<std::string>> vary_names(http::FieldView response) {
  std::vector<std::string> names;
  const auto value = response.joined("Vary");
  std::string_view rest = value;
  while (const auto member = http::next_member(rest)) {
    if (*member == "*" || !http::is_token(*member)) return std::nullopt;
    names.push_back(lower(*member));
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  if (names.size() > kVaryNamesMax) return std::nullopt;
  return names;
}

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "" : ",").append(name);
  return text;
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (const auto member = http::next_member(text)) names.emplace_back(*member);
  return names;
}

std::string variant_of(const std::vector<std::string>& names, http::FieldView request) {
  std::string text;
  for (const auto& name : names) {
    text.append(name).append(request.contains(name) ? ":" : "-");
    text.append(normal_value(name, request.joined(name))).append("\n");
  }
  return base::sha256(text).hex();
}

}  // namespace propeller::cache
