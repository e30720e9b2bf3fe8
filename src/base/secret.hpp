#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace propeller::base {

/// A password, key or token. It has no operator<< and no conversion, so it cannot reach a log, an error or
/// `check` output by accident: whoever needs the bytes says reveal().
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

  /// What may be shown: "(not set)" or "(set)".
  [[nodiscard]] std::string_view masked() const { return value_.empty() ? "(not set)" : "(set)"; }

  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

}  // namespace propeller::base

namespace propeller {
using base::Secret;
}
