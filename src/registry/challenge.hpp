#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace propeller::registry {

/// One challenge of a WWW-Authenticate field.
struct Challenge {
  std::string scheme;                                           ///< lower case: "bearer", "basic"
  std::string token68;                                          ///< instead of parameters, as Negotiate has
  std::vector<std::pair<std::string, std::string>> parameters;  ///< names in lower case, values unquoted

  /// The parameter's value, or empty.
  [[nodiscard]] std::string_view parameter(std::string_view name) const;
};

inline constexpr std::size_t kChallengeBytesMax = 16 * 1024;
inline constexpr std::size_t kChallengesMax = 16;
inline constexpr std::size_t kChallengeParametersMax = 32;

/// All challenges of one field value, in order. Errors: registry_unavailable for what is against the grammar or too
/// much. Source: RFC 9110 11.6.1 (several challenges, quoted strings, empty list elements)
[[nodiscard]] Result<std::vector<Challenge>> parse_challenges(std::string_view field);

/// The first challenge of a scheme ("bearer"); null when there is none.
[[nodiscard]] const Challenge* find_challenge(const std::vector<Challenge>& challenges, std::string_view scheme);

}  // namespace propeller::registry
