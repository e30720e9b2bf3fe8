#pragma once

#include <string_view>
#include <vector>

#include "config/forward_settings.hpp"

namespace propeller::config {

/// What a new configuration changes, by key.
struct ForwardChanges {
  std::vector<std::string_view> applied;        ///< in force as soon as the snapshot is swapped
  std::vector<std::string_view> needs_restart;  ///< keeps its old value until then

  [[nodiscard]] bool empty() const { return applied.empty() && needs_restart.empty(); }
};

[[nodiscard]] ForwardChanges compare(const Forward& before, const Forward& after);

/// `after`, with what needs a restart as it was before.
[[nodiscard]] Forward keep_until_restart(const Forward& before, Forward after);

}  // namespace propeller::config
