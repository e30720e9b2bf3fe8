#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::forward {

/// The host of "host[:port]" or "[v6][:port]" as patterns see it: lower case, without port, brackets and a dot at its
/// end (which DNS takes for the same name).
[[nodiscard]] std::string host_of(std::string_view authority);

/// Which hosts a rule is about: exact, `*`, `*.suffix` (any depth, not the suffix itself) or `prefix.*`.
///
/// Source: forward-proxy reference, 1.4
class HostPattern {
 public:
  /// `text` is well formed, as config::is_domain_pattern() says.
  explicit HostPattern(std::string_view text);

  /// `host` as host_of() gives it.
  [[nodiscard]] bool matches(std::string_view host) const;
  [[nodiscard]] const std::string& text() const { return text_; }

  /// Exact before wildcard, longer before shorter, then by text: the first that matches is the most specific.
  friend std::weak_ordering operator<=>(const HostPattern& a, const HostPattern& b);
  friend bool operator==(const HostPattern& a, const HostPattern& b) { return a.text_ == b.text_; }

 private:
  enum class Kind { exact, any, suffix, prefix };

  std::string text_;
  Kind kind_ = Kind::exact;
};

/// Some patterns, asked at once: exact ones are looked up, wildcards tried in turn.
class HostPatterns {
 public:
  HostPatterns() = default;
  explicit HostPatterns(const std::vector<std::string>& texts);

  [[nodiscard]] bool matches(std::string_view host) const;
  [[nodiscard]] bool empty() const { return exact_.empty() && wildcards_.empty(); }

 private:
  std::vector<std::string> exact_;  ///< sorted
  std::vector<HostPattern> wildcards_;
};

}  // namespace propeller::forward
