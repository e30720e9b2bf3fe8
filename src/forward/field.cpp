#include "forward/field.hpp"

#include <strings.h>

#include <algorithm>

namespace propeller::forward {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return !std::ranges::search(text, part, {}, lower, lower).empty() || part.empty();
}

std::optional<std::string_view> find_field(FieldSpan fields, std::string_view name) {
  const auto found = std::ranges::find_if(fields, [&](const Field& f) { return equals_ignoring_case(f.name, name); });
  if (found == fields.end()) return std::nullopt;
  return found->value;
}

}  // namespace propeller::forward
