#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "stream/dispatcher.hpp"

namespace propeller::stream {

using namespace std::chrono_literals;

/// With the connection.
inline const Error kLost{Code::disconnected, Origin::upstream, "the connection to the broker was lost"};

struct FakeClock final : base::Clock {
  time_point time{1h};
  [[nodiscard]] time_point now() const override { return time; }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::time_point(
        std::chrono::hours(400'000) + std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()));
  }
};

/// A dispatcher whose registry is a map of images and whose broker acknowledges when told.
struct DispatcherTest : testing::Test {
  struct Fetch {
    LaneId lane;
    registry::Reference reference;
  };

  FakeClock clock;
  std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / ("dispatcher-" + base::random_hex(8));
  observe::Metrics metrics;
  Probe probe{metrics};
  ChunkChannel channel{10};
  StartedSets started_sets{directory};
  std::vector<mqtt::Outgoing> published;
  std::vector<Fetch> fetches;
  std::map<LaneId, std::uint64_t> fed;  ///< chunk size by lane
  std::map<LaneId, std::uint64_t> sizes;
  Dispatcher::Options options{
      .channels = {{.id = "dom", .tenant = "t", .family = config::TopicFamily::domain}, {.id = "cla"}},
      .mqtt = {.qos = 1, .inflight_max = 64},
      .stream = {.chunk_size_bytes = 1000, .transfers_max = 4},
      .default_registry = "registry.example"};
  std::optional<Dispatcher> made;

  DispatcherTest() {
    channel.set_wakers([] {}, [] {});
    (void)started_sets.take_over(clock.wall_now(), 300s);
  }
  ~DispatcherTest() override { std::filesystem::remove_all(directory); }

  Dispatcher& dispatcher() {
    if (!made) {
      made.emplace(
          options, channel,
          Dispatcher::Outlets{
              .publish = [this](mqtt::Outgoing message) -> Result<void> {
                published.push_back(std::move(message));
                return {};
              },
              .window_bytes = [] { return std::size_t{1} << 30; },
              .fetch = [this](LaneId lane, Wanted wanted) { fetches.push_back({lane, std::move(wanted.reference)}); },
              .feed = [this](LaneId lane, std::uint64_t chunk_size) { fed[lane] = chunk_size; },
              .forget = [this](LaneId lane) { fed.erase(lane); }},
          started_sets, clock, probe);
      made->on_ready({});
    }
    return *made;
  }

  void ask(const std::string& json, std::size_t on_channel = 0, const std::string& response_topic = {}) {
    dispatcher().on_message({.topic = mqtt::topics_of(options.channels[on_channel]).request,
                             .payload = json,
                             .response_topic = response_topic});
  }
  void answer(std::size_t fetch, std::uint64_t size, std::string_view content = "image") {
    const auto lane = fetches.at(fetch).lane;
    sizes[lane] = size;
    dispatcher().on_image(lane, {.digest = base::sha256(content),
                                 .source = base::sha256("manifest"),
                                 .pinned = "registry.example/acme/app@" + base::sha256("manifest").to_string(),
                                 .size = size,
                                 .is_at_hand = true});
  }
  /// Fills every order there is room for, as StreamHTTP would.
  void fill() {
    for (bool is_moving = true; is_moving;) {
      is_moving = false;
      for (const auto& [lane, chunk_size] : std::map(fed)) {
        if (channel.is_full()) break;
        const auto next = channel.next_order(lane);
        if (!next.order) continue;
        const auto begin = next.order->index * chunk_size;
        Chunk chunk{.lane = lane,
                    .index = next.order->index,
                    .data = std::make_unique<std::byte[]>(chunk_size),
                    .size = std::min(chunk_size, sizes[lane] - begin)};
        is_moving = channel.reserve(lane, *next.order) == ChunkChannel::Place::reserved;
        channel.push(*next.order, std::move(chunk));
      }
      dispatcher().pump();
    }
  }
  /// The broker acknowledges everything, again and again, until nothing more comes.
  void run() {
    for (std::size_t settled = 0;;) {
      fill();
      if (settled == published.size()) break;
      while (settled < published.size()) dispatcher().on_delivered(published[settled++].token);
    }
  }
  std::vector<std::uint64_t> chunk_indices(std::size_t on_channel = 0) const {
    std::vector<std::uint64_t> indices;
    for (const auto& each : published) {
      if (each.topic == mqtt::topics_of(options.channels[on_channel]).chunks)
        indices.push_back(mqtt::parse_chunk(each.payload)->index);
    }
    return indices;
  }
  std::vector<mqtt::Status> statuses() const {
    std::vector<mqtt::Status> list;
    for (const auto& each : published) {
      if (each.topic.ends_with("/status")) list.push_back(*mqtt::parse_status(each.payload));
    }
    return list;
  }
  std::string last_code() const { return statuses().empty() ? "" : statuses().back().code; }
};

}  // namespace propeller::stream
