#pragma once

#include "app/plane.hpp"
#include "config/settings.hpp"
#include "observe/metrics.hpp"

namespace propeller::app {

/// "0.1.0"
[[nodiscard]] std::string_view version();

/// The log as the settings want it; before anything writes to it.
void start_log(const config::Log& settings);

/// Runs a plane as a service: health port, process metrics, signals. Returns the exit code.
///
/// Order:   listen on the health port, start the plane, wait for SIGTERM or SIGINT, drain the plane, stop listening. A
/// second
///          signal ends the process at once, with exit code 1.
/// Errors:  1 when the port is taken or the plane does not start; 0 after a clean stop.
/// Threads: blocks the caller, which is the main thread; nothing else handles these signals.
[[nodiscard]] int run_service(const config::Settings& settings, observe::Metrics& metrics, Plane plane);

}  // namespace propeller::app
