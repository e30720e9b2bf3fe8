#include "stream/bridge.hpp"

#include "stream/chunk_channel.hpp"
#include "stream/probe.hpp"
#include "stream/stream_http.hpp"
#include "stream/stream_mqtt.hpp"

namespace propeller::stream {

struct Bridge::Parts {
  Parts(const config::Settings& settings, observe::Metrics& metrics)
      : shutdown_timeout(settings.shutdown_timeout),
        probe(metrics),
        channel(settings.stream.channel_capacity),
        http(
            {.registry = settings.registry, .stream = settings.stream}, channel,
            [this](LaneId lane, ImageInfo image) { mqtt.image_ready(lane, std::move(image)); }, probe),
        mqtt({.channels = settings.channels,
              .mqtt = settings.mqtt,
              .stream = settings.stream,
              .default_registry = settings.registry.url},
             settings.stream.spool_dir / "begun", channel, http, probe) {
    channel.set_wakers([this] { mqtt.wake(); }, [this] { http.wake(); });
    metrics.gauge_function("propeller_bridge_channel_chunks", "Chunks in the channel between the two workers.",
                           [this] { return static_cast<double>(channel.size()); });
    metrics.gauge_function("propeller_bridge_connected", "1 when connected to the broker and subscribed.",
                           [this] { return mqtt.health().is_ready ? 1.0 : 0.0; });
  }

  std::chrono::milliseconds shutdown_timeout;
  Probe probe;
  ChunkChannel channel;
  StreamHttp http;
  StreamMqtt mqtt;
};

Bridge::Bridge(const config::Settings& settings, observe::Metrics& metrics)
    : parts_(std::make_unique<Parts>(settings, metrics)) {}

Bridge::~Bridge() = default;

Result<void> Bridge::start(const OpenStore& open_store) {
  if (auto started = parts_->http.start(open_store); !started) return started;
  return parts_->mqtt.start();
}

void Bridge::stop() {
  parts_->mqtt.drain(parts_->shutdown_timeout).wait();
  parts_->http.stop();
  parts_->mqtt.stop();
}

Bridge::Health Bridge::health() const {
  const auto mqtt = parts_->mqtt.health();
  const auto registry = parts_->http.registry_liveness();
  return {.is_healthy = mqtt.is_ready,
          .broker_error = mqtt.broker_error,
          .registry_asked_at = registry.asked_at,
          .registry_answered = registry.has_answered,
          .sending = mqtt.counts.sending,
          .waiting = mqtt.counts.waiting};
}

}  // namespace propeller::stream
