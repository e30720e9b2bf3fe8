#pragma once

#include <memory>
#include <string>

#include "forward/recorder.hpp"
#include "http/server.hpp"

namespace propeller::forward {

/// The takeover it is given, whose bytes both ways go into a stream of the recorder as well. With it the stream is
/// closed, also when it was never run.
///
/// Pressure: none of its own; the recorder drops what it has no room for.
/// Lifetime: `recorder` outlives it.
[[nodiscard]] std::unique_ptr<http::Takeover> record_takeover(std::unique_ptr<http::Takeover> inner, Recorder& recorder,
                                                              std::string session_id);

}  // namespace propeller::forward
