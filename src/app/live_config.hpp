#pragma once

#include <string_view>
#include <vector>

#include "config/forward_changes.hpp"

namespace propeller::app {

/// The forward proxy's configuration in force: what the file says, and what the API has changed since.
///
/// The API's rules hold until the rules of the file change: a reload whose `allowlist` and `headers` are what they were
/// leaves them alone, so that saving another key does not throw away what was set by hand; a reload with other rules is
/// what the operator wants now.
class LiveConfig {
 public:
  explicit LiveConfig(const config::Forward& started) : started_(started), file_(started), rules_(started.rules) {}

  struct Change {
    config::ForwardChanges changes;      ///< since the file was read before
    std::vector<std::string_view> wait;  ///< everything that differs from what the process was started with
    bool are_api_rules_replaced = false;
  };

  /// What would be in force after the file says `read`.
  [[nodiscard]] config::Forward after(const config::Forward& read) const;
  /// It is in force now.
  Change take_file(const config::Forward& read);
  /// The API says so.
  void take_rules(config::RuntimeRules rules);

  [[nodiscard]] const config::RuntimeRules& rules() const { return rules_; }
  [[nodiscard]] bool are_rules_from_api() const { return are_rules_from_api_; }
  /// Keys whose values in the file wait for a restart.
  [[nodiscard]] const std::vector<std::string_view>& waiting() const { return waiting_; }

 private:
  const config::Forward started_;
  config::Forward file_;  ///< as it was read last
  config::RuntimeRules rules_;
  bool are_rules_from_api_ = false;
  std::vector<std::string_view> waiting_;
};

}  // namespace propeller::app
