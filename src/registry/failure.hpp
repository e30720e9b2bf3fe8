#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace propeller::registry {

/// Why one attempt at a request failed, and whether another one may help.
struct Failure {
  Error error;
  bool is_retryable = false;
  std::optional<std::chrono::milliseconds> retry_after;  ///< what the registry asked us to wait
  int status = 0;  ///< that it refused the request with; 0: it did not come to that
};

template <class T>
using Attempt = std::expected<T, Failure>;

[[nodiscard]] inline std::unexpected<Failure> give_up(Code code, Origin origin, std::string detail) {
  return std::unexpected(
      Failure{.error = Error{code, origin, std::move(detail)}, .is_retryable = false, .retry_after = {}});
}
[[nodiscard]] inline std::unexpected<Failure> give_up(Error error) {
  return std::unexpected(Failure{.error = std::move(error), .is_retryable = false, .retry_after = {}});
}
[[nodiscard]] inline std::unexpected<Failure> try_again(Code code, std::string detail) {
  return std::unexpected(
      Failure{.error = Error{code, Origin::upstream, std::move(detail)}, .is_retryable = true, .retry_after = {}});
}

}  // namespace propeller::registry
