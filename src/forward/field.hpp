#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace propeller::forward {

/// One header of a message as the rules look at it. Names are compared without regard to case.
struct Field {
  std::string_view name;
  std::string_view value;
};

using FieldSpan = std::span<const Field>;

[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] bool contains_ignoring_case(std::string_view text, std::string_view part);

/// The value of the first field of that name.
[[nodiscard]] std::optional<std::string_view> find_field(FieldSpan fields, std::string_view name);

}  // namespace propeller::forward
