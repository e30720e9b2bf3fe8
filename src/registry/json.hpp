#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/error.hpp"

namespace propeller::registry {

inline constexpr std::size_t kJsonDepthMax = 32;
inline constexpr std::size_t kJsonValuesMax = 100'000;

/// Parses JSON that a registry or a file made, with a bound on its depth and on how many values it becomes; the caller
/// has bounded the bytes. Errors: `code` with `what` in the sentence.
[[nodiscard]] Result<nlohmann::json> parse_json(std::string_view text, Code code, std::string_view what);

/// The string at `key` of an object, or empty when there is none or it is no string.
[[nodiscard]] std::string_view string_at(const nlohmann::json& object, const char* key);

}  // namespace propeller::registry
