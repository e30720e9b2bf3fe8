#include "stream/stream_mqtt.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/random.hpp"
#include "observe/log.hpp"

namespace propeller::stream {

namespace {
constexpr std::chrono::seconds kTick{1};
constexpr std::chrono::milliseconds kFastTick{50};
constexpr std::chrono::milliseconds kDisconnectGrace{2000};
constexpr std::chrono::milliseconds kDrainStep{50};
// The last of the time to drain belongs to the statuses that say so.
constexpr std::chrono::milliseconds kFarewell{1000};
}  // namespace

StreamMqtt::StreamMqtt(Dispatcher::Options options, std::filesystem::path state_dir, ChunkChannel& channel,
                       StreamHttp& http, Probe& probe)
    : options_(std::move(options)),
      channel_(channel),
      probe_(probe),
      started_sets_(std::move(state_dir)),
      timer_(core_.context()),
      dispatcher_(options_, channel_,
                  {.publish = [this](mqtt::Outgoing message) { return session_->publish(std::move(message)); },
                   .window_bytes = [this] { return session_->window_bytes(); },
                   .fetch = [&http](LaneId lane, Wanted wanted) { http.fetch(lane, std::move(wanted)); },
                   .feed = [&http](LaneId lane, std::uint64_t chunk_size) { http.feed(lane, chunk_size); },
                   .forget = [&http](LaneId lane) { http.forget(lane); }},
                  started_sets_, clock_, probe_) {}

StreamMqtt::~StreamMqtt() { stop(); }

Result<void> StreamMqtt::start() {
  auto begun = started_sets_.take_over(clock_.wall_now(), Quarantine::kRest);
  if (!begun) return std::unexpected(begun.error());
  // Bridges of a share group have one identity; a broker ends the older of two sessions with one client id.
  if (!options_.mqtt.share_group.empty()) options_.mqtt.client_id += "-" + base::random_hex(4);
  mqtt::SessionHandler& handler = *this;
  session_ = std::make_unique<mqtt::Session>(core_.executor(),
                                             mqtt::SessionOptions{.mqtt = options_.mqtt,
                                                                  .subscriptions = dispatcher_.subscriptions(),
                                                                  .message_bytes_max = mqtt::kRequestBytesMax},
                                             handler);
  async::asio::post(core_.executor(), [this, sets = std::move(*begun)] {
    // Before anybody can ask: a second set under the name of a begun one would mix with it.
    dispatcher_.take_up(sets);
    session_->start();
    schedule_tick();
  });
  core_.start();
  is_running_ = true;
  return {};
}

void StreamMqtt::stop() {
  if (!is_running_) return;
  is_running_ = false;
  std::promise<void> stopped;
  async::asio::post(core_.executor(), [&] {
    timer_.cancel();
    session_->stop(kDisconnectGrace);
    stopped.set_value();
  });
  stopped.get_future().wait();
  core_.stop();
}

void StreamMqtt::image_ready(LaneId lane, ImageInfo image) {
  async::asio::post(core_.executor(), [this, lane, image = std::move(image)]() mutable {
    dispatcher_.on_image(lane, std::move(image));
    after_event();
  });
}

void StreamMqtt::wake() {
  if (is_wake_pending_.exchange(true)) return;
  async::asio::post(core_.executor(), [this] {
    is_wake_pending_ = false;
    dispatcher_.pump();
    after_event();
  });
}

std::future<void> StreamMqtt::drain(std::chrono::milliseconds patience) {
  auto future = drained_.get_future();
  async::asio::post(core_.executor(), [this, patience] {
    is_draining_ = true;
    farewell_ = std::min(kFarewell, patience / 4);
    drain_deadline_ = clock_.now() + patience - farewell_;
    dispatcher_.begin_drain();
    after_event();
    schedule_tick();
  });
  return future;
}

void StreamMqtt::on_ready(const mqtt::BrokerLimits& limits) {
  observe::log_info("connected and subscribed",
                    {observe::kv("broker", options_.mqtt.address), observe::kv("channels", options_.channels.size())});
  {
    const std::lock_guard lock(health_mutex_);
    health_.is_ready = true;
    health_.broker_error.clear();
  }
  dispatcher_.on_ready(limits);
  after_event();
}

void StreamMqtt::on_down(const Error& why) {
  observe::log_warn("no broker connection",
                    {observe::kv("broker", options_.mqtt.address), observe::kv("reason", base::describe(why))});
  {
    const std::lock_guard lock(health_mutex_);
    health_.is_ready = false;
    health_.broker_error = base::describe(why);
  }
  dispatcher_.on_down();
  after_event();
}

void StreamMqtt::on_message(mqtt::Incoming message) {
  dispatcher_.on_message(message);
  after_event();
}

void StreamMqtt::on_delivered(std::uint64_t token) {
  dispatcher_.on_delivered(token);
  after_event();
}

void StreamMqtt::on_undelivered(std::uint64_t token, const Error& why) {
  dispatcher_.on_undelivered(token, why);
  after_event();
}

void StreamMqtt::schedule_tick() {
  timer_.expires_after(is_draining_ ? kDrainStep : dispatcher_.wants_fast_ticks() ? kFastTick : kTick);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

void StreamMqtt::tick() {
  dispatcher_.tick();
  probe_.messages_dropped.add(session_->dropped() - std::exchange(messages_dropped_, session_->dropped()));
  if (is_draining_ && !is_drained_ && clock_.now() >= drain_deadline_) {
    if (is_drain_ended_) {
      is_drained_ = true;
      drained_.set_value();
    } else {
      dispatcher_.end_drain();
      is_drain_ended_ = true;
      drain_deadline_ += farewell_;
    }
  }
  after_event();
  schedule_tick();
}

void StreamMqtt::after_event() {
  const auto counts = dispatcher_.counts();
  probe_.transfers_active.set(static_cast<std::int64_t>(counts.sending));
  probe_.transfers_waiting.set(static_cast<std::int64_t>(counts.waiting));
  {
    const std::lock_guard lock(health_mutex_);
    health_.counts = counts;
  }
  if (is_draining_ && !is_drained_ && dispatcher_.is_drained()) {
    is_drained_ = true;
    drained_.set_value();
  }
}

StreamMqtt::Health StreamMqtt::health() const {
  const std::lock_guard lock(health_mutex_);
  return health_;
}

}  // namespace propeller::stream
