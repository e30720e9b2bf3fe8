#pragma once

#include <filesystem>

#include "base/error.hpp"
#include "config/settings.hpp"
#include "device/download.hpp"

namespace propeller::device {

struct FetchOptions {
  config::Mqtt mqtt;  ///< with a client id of its own: two clients of one id throw each other off the broker
  int qos = 1;        ///< of the subscription and the requests
  DownloadOptions download;
  std::filesystem::path output;  ///< empty: standard output
  bool is_resumed = false;       ///< goes on with <output>.part, if that fits
  bool is_quiet = false;
};

/// Gets one image over MQTT and puts it in its place, whole and verified, or leaves `output` as it was.
///
/// Blocks, with an event loop of its own; SIGINT and SIGTERM end it. Progress goes to standard error: a bar on a
/// terminal, else a line a second.
///
/// Errors:   as Download; cancelled for a signal. What there is stays in <output>.part when it can be resumed.
/// Source:   docs/protocol.md
[[nodiscard]] Result<Delivered> fetch(FetchOptions options);

}  // namespace propeller::device
