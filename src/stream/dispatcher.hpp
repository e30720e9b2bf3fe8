#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "config/settings.hpp"
#include "mqtt/payload.hpp"
#include "mqtt/session.hpp"
#include "mqtt/topics.hpp"
#include "stream/admission.hpp"
#include "stream/chunk_channel.hpp"
#include "stream/probe.hpp"
#include "stream/publisher.hpp"
#include "stream/started_sets.hpp"
#include "stream/transfer.hpp"

namespace propeller::stream {

/// Decides what happens to every request and every chunk of the bridge: who waits, who is sent, what is sent again,
/// what a device is told. It does no I/O of its own but the notes of StartedSets; StreamMqtt drives it.
///
/// Order:   small images first, then by size; see ChunkChannel for chunks.
/// Bound:   `transfers_max` transfers, kSendingMax of them being sent; joining one costs nothing.
/// Errors:  become `failed` statuses and a line in the log.
/// Threads: one (StreamMQTT's).
/// Source:  PROTOCOL.md 1.4, 2.1 to 2.3; docs/life_of_a_transfer.md
class Dispatcher {
 public:
  static constexpr std::size_t kSendingMax = 32;
  static constexpr std::uint32_t kBreaksMax = 5;     ///< disconnects without a chunk acknowledged, then broker_rejected
  static constexpr std::uint32_t kRefetchesMax = 2;  ///< of a set that was begun
  static constexpr std::size_t kWishesMax = 64;      ///< devices that name a digest while it is not known, a transfer
  static constexpr std::chrono::seconds kProgressInterval{1};
  static const Error kOtherBytes;
  static constexpr std::chrono::seconds kAckPatience{30};
  static constexpr std::chrono::minutes kPausedKept{10};
  static constexpr std::chrono::minutes kWaitMax{5};

  /// What the dispatcher makes others do.
  struct Outlets {
    Publisher::Send publish;
    std::function<std::size_t()> window_bytes;
    std::function<void(LaneId, Wanted)> fetch;
    std::function<void(LaneId, std::uint64_t chunk_size)> feed;
    std::function<void(LaneId)> forget;
  };
  struct Options {
    std::vector<config::Channel> channels;
    config::Mqtt mqtt;
    config::Stream stream;
    std::string default_registry;
  };

  Dispatcher(Options options, ChunkChannel& channel, Outlets outlets, StartedSets& started_sets,
             const base::Clock& clock, Probe& probe);

  // What happens outside.
  void on_ready(const mqtt::BrokerLimits& limits);
  void on_down();
  void on_message(const mqtt::Incoming& message);
  void on_delivered(std::uint64_t token);
  void on_undelivered(std::uint64_t token, const Error& why);
  void on_image(LaneId lane, ImageInfo image);
  /// Chunks or failures wait in the channel, or the window has room.
  void pump();
  /// Every second, and sooner while wants_fast_ticks().
  void tick();
  [[nodiscard]] bool wants_fast_ticks() const { return is_pacing_; }

  /// Sets that an earlier process began.
  void take_up(const std::vector<StartedSet>& sets);

  /// No new transfers; what is not being sent yet is told `shutting_down`.
  void begin_drain();
  [[nodiscard]] bool is_drained() const { return transfers_.empty() && publisher_.is_idle(); }
  /// Out of patience: the rest is told `shutting_down`. Begun sets stay noted for the next start.
  void end_drain();

  struct Counts {
    std::uint64_t sending = 0, waiting = 0;
  };
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] std::vector<mqtt::Subscription> subscriptions() const;

 private:
  using Transfers = std::list<Transfer>;
  using Stage = Transfer::Stage;

  // requests.cpp: what devices ask for
  void handle_request(std::size_t channel, mqtt::ImageRequest request, const mqtt::Incoming& message);
  [[nodiscard]] Result<Direct> direct_of(std::size_t channel, const mqtt::ImageRequest& request,
                                         const mqtt::Incoming& message) const;
  [[nodiscard]] std::uint64_t direct_chunk_size(const Transfer& transfer, std::optional<std::uint64_t> wish) const;
  void join(Transfer& transfer, const mqtt::ImageRequest& request);

  // dispatcher.cpp: the life of a transfer
  void begin_fetch(Transfer& transfer);
  [[nodiscard]] Result<void> plan_chunks(Transfer& transfer) const;
  [[nodiscard]] Result<void> plan_broadcast(Transfer& transfer) const;
  [[nodiscard]] bool refuse_other_wishes(Transfer& transfer);
  void plan_for_joined(Transfer& transfer);
  void settle();
  void flush();
  void admit();
  void start(Transfer& transfer);
  void finish(Transfer& transfer);
  void fail_transfer(Transfer& transfer, const Error& why);
  void remove(Transfer& transfer);
  void lane_failed(LaneId lane, const Error& why);
  [[nodiscard]] bool may_refetch(const Transfer& transfer, const Error& why) const;
  void rest(const Transfer& transfer, const Error& why);

  // sending.cpp: chunks, acknowledgements, time
  void handle_acknowledgement(std::size_t channel, const mqtt::Acknowledgement& ack);
  void top_up(Transfer& transfer);
  [[nodiscard]] bool may_order(const Transfer& transfer, std::uint64_t index) const;
  [[nodiscard]] bool send(Transfer& transfer, Chunk chunk);
  [[nodiscard]] Result<mqtt::Outgoing> direct_message(const Transfer& transfer, const Chunk& chunk) const;
  void announce(const Transfer& transfer);
  void maybe_finish(Transfer& transfer);
  void watch_direct(Transfer& transfer);
  void expire(Transfer& transfer);

  // reports.cpp: what devices and the operator are told
  void refuse(std::size_t channel, const std::string& app_name, const std::string& proplet_id, const Error& why);
  void report(Transfer& transfer, mqtt::State state, const Error* why = nullptr);
  void publish_status(std::size_t channel, mqtt::Status status);
  void report_progress();
  void report_sending(Transfer& transfer);
  void log_summary(const Transfer& transfer) const;

  [[nodiscard]] Transfer* by_lane(LaneId lane);
  [[nodiscard]] bool is_embedded(std::size_t channel) const {
    return options_.channels[channel].profile == config::ChannelProfile::embedded;
  }
  [[nodiscard]] DeliveryPlan::Kind kind_of(std::size_t channel) const;
  [[nodiscard]] int chunk_qos(std::size_t channel) const { return options_.channels[channel].qos; }
  [[nodiscard]] std::size_t packet_bytes_max(std::size_t topic_bytes) const;
  [[nodiscard]] steady_clock::time_point now() const { return clock_.now(); }

  Options options_;
  std::vector<mqtt::Topics> topics_;
  std::unordered_map<std::string, std::size_t> channel_by_topic_;
  ChunkChannel& channel_;
  Outlets outlets_;
  StartedSets& started_sets_;
  const base::Clock& clock_;
  Probe& probe_;

  Publisher publisher_;
  std::vector<Pacing> pacing_;  ///< by channel
  std::uint64_t statuses_dropped_ = 0;
  mqtt::BrokerLimits limits_;
  Transfers transfers_;
  std::unordered_map<LaneId, Transfer*> by_lane_;
  Quarantine quarantine_;
  std::multimap<steady_clock::time_point, std::string>
      resting_sets_;  ///< notes to remove when their name's rest is over
  RateEstimate rate_;
  steady_clock::time_point rate_ticked_{};
  bool was_busy_ = false;
  bool needs_admission_ = false;
  bool is_pacing_ = false;
  bool is_draining_ = false;
};

}  // namespace propeller::stream
