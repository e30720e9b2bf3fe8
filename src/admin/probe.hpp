#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace propeller::admin {

struct Probe {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9191;
  std::string path = "/health";
  std::chrono::milliseconds timeout{3'000};  ///< for all of it
};

struct ProbeAnswer {
  int status = 0;
  std::string body;  ///< its first kProbeBytesMax bytes, head included
};

inline constexpr std::size_t kProbeBytesMax = 64 * 1024;

/// Asks a running Server, as a container's health check does. A wildcard address is asked over loopback.
///
/// Errors:  timeout, io (nobody listens), bad_request (what answers is no HTTP).
/// Threads: blocks the caller, up to the time-out.
[[nodiscard]] Result<ProbeAnswer> ask(const Probe& probe);

}  // namespace propeller::admin
