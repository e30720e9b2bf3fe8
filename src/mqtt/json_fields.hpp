#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"

namespace propeller::mqtt {

/// The members of one JSON object, as far as they are asked for; everything else is read over.
///
/// Bound:    the caller's size limit, nesting kJsonDepthMax, kChunkHashesMax elements of a list; kept are only the
///           members asked for.
/// Errors:   bad_request with a sentence. Getters keep the first error and go on with an empty value, so that a
///           parser asks for all its fields and looks at error() once. A null counts as absent.
class JsonFields {
 public:
  static constexpr int kJsonDepthMax = 8;

  /// Reads `json`, an object, and keeps the members called `names`.
  JsonFields(std::string_view json, std::size_t bytes_max, std::span<const std::string_view> names);

  [[nodiscard]] bool has(std::string_view name) const { return members_.contains(name); }
  [[nodiscard]] std::optional<std::string> text(std::string_view name);
  [[nodiscard]] std::string required_text(std::string_view name);
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view name);
  [[nodiscard]] std::uint64_t required_number(std::string_view name);
  [[nodiscard]] std::vector<std::string> texts(std::string_view name);

  /// For a check that the caller made itself; the first one counts.
  void refuse(std::string detail);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  struct Unusable {};  ///< of a type that no field has
  using Value = std::variant<Unusable, std::string, std::uint64_t, std::vector<std::string>>;
  class Reader;

  std::map<std::string, Value, std::less<>> members_;
  std::optional<Error> error_;
};

}  // namespace propeller::mqtt
