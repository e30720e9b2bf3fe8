#include "config/forward_changes.hpp"

#include "config/forward_keys.hpp"

namespace propeller::config {

ForwardChanges compare(const Forward& before, const Forward& after) {
  ForwardChanges changes;
  for_each_key([&](std::string_view name, TakesEffect when, auto get) {
    if (get(before) == get(after)) return;
    (when == TakesEffect::at_once ? changes.applied : changes.needs_restart).push_back(name);
  });
  return changes;
}

Forward keep_until_restart(const Forward& before, Forward after) {
  for_each_key([&](std::string_view, TakesEffect when, auto get) {
    if (when == TakesEffect::at_restart) get(after) = get(before);
  });
  return after;
}

}  // namespace propeller::config
