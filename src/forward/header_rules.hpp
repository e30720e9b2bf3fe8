#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/forward_settings.hpp"
#include "forward/host_pattern.hpp"
#include "http/fields.hpp"

namespace propeller::forward {

/// What a rule makes of a request's headers: for each name, all there were are replaced by this one.
struct Injection {
  struct Change {
    std::string_view name;
    Secret value;
  };
  std::string_view pattern;  ///< of the rule, for the log; empty: no rule applied
  std::vector<Change> changes;
};

/// The header rules of the configuration, in an order that does not depend on how they were written down.
///
/// Order:    the most specific pattern whose conditions hold is applied, and no other: exact before wildcard, longer
///           before shorter, then by text.
/// Threads:  any; immutable.
/// Lifetime: an Injection's views last as long as the rules.
class HeaderRules {
 public:
  HeaderRules() = default;
  explicit HeaderRules(std::vector<config::HeaderRule> rules);

  /// `host` is the authority that was verified (of the URL, of CONNECT, or the name in the upstream's certificate), as
  /// host_of() gives it; never what a Host header inside a tunnel says.
  [[nodiscard]] Injection apply(std::string_view host, http::FieldView fields) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }

 private:
  struct Rule {
    HostPattern pattern;
    config::HeaderRule what;
  };
  std::vector<Rule> rules_;
};

}  // namespace propeller::forward
