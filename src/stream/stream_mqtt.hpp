#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <string>

#include "async/core.hpp"
#include "base/clock.hpp"
#include "mqtt/session.hpp"
#include "stream/chunk_channel.hpp"
#include "stream/dispatcher.hpp"
#include "stream/probe.hpp"
#include "stream/started_sets.hpp"
#include "stream/stream_http.hpp"

namespace propeller::stream {

/// The MQTT worker: takes requests from devices, publishes chunks with a window of messages in flight, tracks every
/// delivery to its last chunk. It moves bytes and time; Dispatcher decides.
///
/// Threads:  one of its own (`StreamMQTT`); image_ready(), wake(), drain() and health() from any.
/// Lifetime: `channel`, `http` and `probe` outlive it. stop() joins.
class StreamMqtt final : private mqtt::SessionHandler {
 public:
  StreamMqtt(Dispatcher::Options options, std::filesystem::path state_dir, ChunkChannel& channel, StreamHttp& http,
             Probe& probe);
  ~StreamMqtt() override;
  StreamMqtt(const StreamMqtt&) = delete;
  StreamMqtt& operator=(const StreamMqtt&) = delete;

  /// Errors: io, when the notes of begun sets cannot be read.
  [[nodiscard]] Result<void> start();
  void stop();

  void image_ready(LaneId lane, ImageInfo image);
  void wake();

  /// No new transfers from now on; the future is set when the others are done, or after `patience`.
  [[nodiscard]] std::future<void> drain(std::chrono::milliseconds patience);

  struct Health {
    bool is_ready = false;     ///< connected, and subscribed to every channel
    std::string broker_error;  ///< why not
    Dispatcher::Counts counts;
  };
  [[nodiscard]] Health health() const;

 private:
  void on_ready(const mqtt::BrokerLimits& limits) override;
  void on_down(const Error& why) override;
  void on_message(mqtt::Incoming message) override;
  void on_delivered(std::uint64_t token) override;
  void on_undelivered(std::uint64_t token, const Error& why) override;

  void schedule_tick();
  void tick();
  void after_event();

  Dispatcher::Options options_;
  ChunkChannel& channel_;
  Probe& probe_;
  base::SystemClock clock_;
  StartedSets started_sets_;
  async::Core core_{"StreamMQTT"};
  async::asio::steady_timer timer_;
  std::unique_ptr<mqtt::Session> session_;
  Dispatcher dispatcher_;
  std::atomic<bool> is_wake_pending_ = false;
  bool is_running_ = false;
  std::uint64_t messages_dropped_ = 0;  ///< as counted so far

  std::promise<void> drained_;
  bool is_draining_ = false, is_drain_ended_ = false, is_drained_ = false;
  steady_clock::time_point drain_deadline_{};
  std::chrono::milliseconds farewell_{0};

  mutable std::mutex health_mutex_;
  Health health_;
};

}  // namespace propeller::stream
