#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace propeller::device {

/// The code with this name on the wire; nullopt for one of a later version.
[[nodiscard]] std::optional<Code> code_of(std::string_view name);

/// What a person can do about a failure code of the wire; empty for one that is not known.
[[nodiscard]] std::string_view advice_for(std::string_view code);

/// Whether the same request may succeed a little later, with nothing changed.
[[nodiscard]] bool is_passing(std::string_view code);

/// Text that came over the wire, fit for a terminal: control characters and what is no UTF-8 become '?', cut at 500
/// bytes.
[[nodiscard]] std::string for_terminal(std::string_view text);

}  // namespace propeller::device
