#pragma once

#include "observe/metrics.hpp"

namespace propeller::app {

/// The usual process_* metrics, the version, and log lines dropped.
void register_process_metrics(observe::Metrics& metrics);

}  // namespace propeller::app
