#pragma once

#include <vector>

#include "app/plane.hpp"
#include "config/forward_settings.hpp"
#include "observe/metrics.hpp"

namespace propeller::app {

/// "0.1.0"
[[nodiscard]] std::string_view version();

/// The log as the settings want it; before anything writes to it.
void start_log(const config::Log& settings);
/// Errors: io, when the file cannot be written; lines go to standard error then.
[[nodiscard]] Result<void> start_log(const config::ForwardLog& settings);

struct ServiceOptions {
  config::Admin admin;
  bool is_kept_small = true;  ///< gives memory back while it idles; costs a busy process page faults
};

/// Runs planes as a service: health port, process metrics, signals. Returns the exit code.
///
/// Order:   listen on the health port, start the planes in their order, wait for SIGTERM or SIGINT, drain all of them
///          at once, stop listening. A second signal ends the process at once, with exit code 1. SIGHUP reloads, when
///          one of the planes can.
/// Errors:  1 when the port is taken or a plane does not start; 0 after a clean stop.
/// Threads: blocks the caller, which is the main thread; nothing else handles these signals.
[[nodiscard]] int run_service(const ServiceOptions& options, observe::Metrics& metrics, std::vector<Plane> planes);

}  // namespace propeller::app
