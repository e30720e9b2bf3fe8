#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "system/figures.hpp"
#include "system/receiver.hpp"
#include "system/site.hpp"

namespace propeller::bench {

/// A promise and what was measured.
struct Bar {
  std::string what;
  double measured = 0;
  double bar = 0;
  bool is_upper = false;  ///< the measured value has to stay below
  std::string unit;
  bool is_skipped = false;
  std::string note = {};

  [[nodiscard]] bool is_met() const { return is_upper ? measured < bar : measured >= bar; }
};

/// The measurements behind the bars; each starts the bridge it needs. `only`: raw, link, small, beside, far or memory.
[[nodiscard]] std::vector<Bar> measure_bars(Site& site, Receiver& receiver, int rounds, std::string_view only);
void print_bars(const std::vector<Bar>& bars);

/// Fetches each size once and compares every byte: the timed runs only count. Throws when something differs.
void verify(Site& site, Receiver& receiver);

}  // namespace propeller::bench
