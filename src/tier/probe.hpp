#pragma once

#include "observe/metrics.hpp"

namespace propeller::tier {

/// The second tier's figures.
struct Probe {
  explicit Probe(observe::Metrics& metrics);

  observe::Counter& hits;
  observe::Counter& misses;
  observe::Counter& skipped;
  observe::Counter& read_errors;
  observe::Counter& write_errors;
  observe::Counter& wrong;
  observe::Counter& read_bytes;
  observe::Counter& uploaded;
  observe::Counter& uploaded_bytes;
  observe::Counter& dropped;
  observe::Gauge& up;
  observe::Gauge& waiting;
};

}  // namespace propeller::tier
