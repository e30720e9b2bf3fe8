#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "observe/metrics.hpp"
#include "store/content_store.hpp"

namespace propeller::stream {

/// Plane 1: devices ask over MQTT, images come from OCI registries, chunks go back.
///
/// Threads:  start(), stop() from the owner's; health() from any.
/// Lifetime: `metrics` outlives it.
/// Source:   PROTOCOL.md; docs/life_of_a_transfer.md
class Bridge {
 public:
  Bridge(const config::Settings& settings, observe::Metrics& metrics);
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  /// What the site keeps of registries; null: nothing. Called when the spool is open. Lifetime: until stop() is over.
  using OpenStore = std::function<store::ContentStore*()>;
  /// Opens the spool and begins to connect. Errors: io, overloaded (the spool belongs to another process).
  [[nodiscard]] Result<void> start(const OpenStore& open_store);

  /// Takes no new transfers, waits until those in progress are done or the configured time is over, tells the rest
  /// `shutting_down`, disconnects. Blocks.
  void stop();

  struct Health {
    bool is_healthy = false;   ///< connected to the broker and subscribed
    std::string broker_error;  ///< why not
    std::optional<std::chrono::steady_clock::time_point> registry_asked_at;
    bool registry_answered = false;  ///< the last time it was asked
    std::uint64_t sending = 0, waiting = 0;
  };
  [[nodiscard]] Health health() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace propeller::stream
