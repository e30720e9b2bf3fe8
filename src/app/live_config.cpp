#include "app/live_config.hpp"

#include <utility>

namespace propeller::app {

config::Forward LiveConfig::after(const config::Forward& read) const {
  auto next = config::keep_until_restart(started_, read);
  if (read.rules == file_.rules) next.rules = rules_;
  return next;
}

LiveConfig::Change LiveConfig::take_file(const config::Forward& read) {
  Change change{.changes = config::compare(file_, read),
                .wait = config::compare(started_, read).needs_restart,
                .are_api_rules_replaced = are_rules_from_api_ && read.rules != file_.rules};
  if (read.rules != file_.rules) {
    rules_ = read.rules;
    are_rules_from_api_ = false;
  }
  file_ = read;
  waiting_ = change.wait;
  return change;
}

void LiveConfig::take_rules(config::RuntimeRules rules) {
  rules_ = std::move(rules);
  are_rules_from_api_ = true;
}

}  // namespace propeller::app
