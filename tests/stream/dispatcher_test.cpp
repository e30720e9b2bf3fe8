#include "stream/dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.hpp"

namespace propeller::stream {
namespace {

using namespace std::chrono_literals;

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
      .mqtt = {.qos = 1, .inflight_max = 8},
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
          Dispatcher::Outlets{.publish = [this](mqtt::Outgoing message) -> Result<void> {
                                published.push_back(std::move(message));
                                return {};
                              },
                              .window_bytes = [] { return std::size_t{1} << 30; },
                              .fetch = [this](LaneId lane, registry::Reference reference,
                                              std::uint64_t) { fetches.push_back({lane, std::move(reference)}); },
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
        is_moving = channel.try_push(*next.order, chunk);
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

TEST_F(DispatcherTest, CarriesAnImageToItsLastChunkAndTellsEveryStep) {
  ask(R"({"app_name":"acme/app:1"})");
  ASSERT_EQ(fetches.size(), 1u);
  EXPECT_EQ(fetches[0].reference.tag, "1");
  answer(0, 2500);
  run();
  EXPECT_EQ(chunk_indices(), (std::vector<std::uint64_t>{0, 1, 2}));
  std::vector<mqtt::State> states;
  for (const auto& status : statuses()) states.push_back(status.state);
  EXPECT_EQ(states,
            (std::vector{mqtt::State::accepted, mqtt::State::fetching, mqtt::State::sending, mqtt::State::done}));
  EXPECT_EQ(statuses().back().sent, 3u);
  EXPECT_EQ(dispatcher().counts().sending, 0u);
  EXPECT_TRUE(std::filesystem::is_empty(directory)) << "a finished set is not noted any more";
}

TEST_F(DispatcherTest, ABegunSetIsNotedBeforeItsFirstChunkLeaves) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 2500);
  EXPECT_TRUE(chunk_indices().empty());
  EXPECT_FALSE(std::filesystem::is_empty(directory));
}

TEST_F(DispatcherTest, OneRequestJoinsAnotherAndALateOneGetsWhatItMissed) {
  ask(R"({"app_name":"acme/app"})");
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 1u);
  options.mqtt.inflight_max = 2;
  answer(0, 20'000);
  fill();
  ASSERT_FALSE(chunk_indices().empty());
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 1u) << "the same sequence goes on";
  run();
  const auto indices = chunk_indices();
  EXPECT_GT(indices.size(), 20u);
  EXPECT_LE(indices.size(), 40u);
  EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), 20u);
}

TEST_F(DispatcherTest, AChannelOfOldClientsGetsASecondCompleteOrderedPass) {
  ask(R"({"app_name":"acme/app"})", 1);
  answer(0, 3000);
  fill();
  ask(R"({"app_name":"acme/app"})", 1);
  run();
  EXPECT_EQ(chunk_indices(1), (std::vector<std::uint64_t>{0, 1, 2, 0, 1, 2}));
}

TEST_F(DispatcherTest, AfterABrokenConnectionItGoesOnWhereItWas) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 30'000);
  fill();
  const auto before = chunk_indices();
  for (std::size_t i = 0; i < published.size(); ++i) {
    const bool is_acknowledged =
        !published[i].topic.ends_with("/server") || mqtt::parse_chunk(published[i].payload)->index < 3;
    is_acknowledged ? dispatcher().on_delivered(published[i].token) : dispatcher().on_undelivered(published[i].token);
  }
  dispatcher().on_down();
  published.clear();
  dispatcher().on_ready({});
  run();
  const auto after = chunk_indices();
  EXPECT_EQ(after.front(), 3u) << "what was not acknowledged is sent again, first";
  EXPECT_EQ(after.size(), 27u);
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
}

TEST_F(DispatcherTest, ABrokerThatAlwaysEndsTheConnectionIsNotTriedForEver) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 30'000);
  for (std::uint32_t i = 0; i < Dispatcher::kBreaksMax; ++i) {
    fill();
    dispatcher().on_down();
    dispatcher().on_ready({});
  }
  EXPECT_EQ(last_code(), "broker_rejected");
}

TEST_F(DispatcherTest, ACorruptDownloadRestsItsNameOnTheChannel) {
  ask(R"({"app_name":"acme/app"})");
  channel.fail(fetches[0].lane, {Code::digest_mismatch, Origin::upstream, "the bytes are not what the manifest says"});
  dispatcher().pump();
  EXPECT_EQ(last_code(), "digest_mismatch");
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 1u);
  EXPECT_EQ(last_code(), "digest_mismatch");
  ask(R"({"app_name":"acme/app"})", 1);
  EXPECT_EQ(fetches.size(), 2u) << "another channel is not concerned";
  clock.time += 301s;
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 3u);
}

TEST_F(DispatcherTest, ABegunSetThatLosesItsRegistryIsFetchedAgainAndMustBeTheSame) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 30'000);
  fill();
  channel.fail(fetches[0].lane, {Code::registry_unavailable, Origin::upstream, "reset"});
  dispatcher().pump();
  ASSERT_EQ(fetches.size(), 2u);
  EXPECT_TRUE(fetches[1].reference.digest) << "by the manifest's digest";
  answer(1, 30'000, "other bytes");
  EXPECT_EQ(last_code(), "digest_mismatch");
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 2u) << "the name rests: a partial set of the first version is out there";
}

TEST_F(DispatcherTest, RefusesWhatItCannotReadAndWhatIsTooMuch) {
  ask("not json");
  EXPECT_EQ(last_code(), "bad_request");
  ask(R"({"app_name":7})");
  EXPECT_EQ(last_code(), "bad_request");
  ask(R"({"app_name":"UPPER/case"})");
  EXPECT_EQ(last_code(), "bad_reference");
  ask(R"({"app_name":"acme/app","deliver":"direct"})");
  EXPECT_EQ(last_code(), "bad_request") << "a direct delivery needs an address";
  for (int i = 0; i < 4; ++i) ask(R"({"app_name":"acme/app)" + std::to_string(i) + "\"}");
  EXPECT_EQ(last_code(), "");
  ask(R"({"app_name":"acme/app9"})");
  EXPECT_EQ(last_code(), "overloaded");
  EXPECT_EQ(fetches.size(), 4u);
}

TEST_F(DispatcherTest, ADeviceMayOnlyBeAnsweredBelowItsOwnChannel) {
  ask(R"({"app_name":"acme/app"})", 0, "m/other/c/dom/registry/server/x");
  EXPECT_EQ(last_code(), "bad_request");
  ask(R"({"app_name":"acme/app"})", 0, "m/t/c/dom/registry/server/+/x");
  EXPECT_EQ(last_code(), "bad_request");
  ask(R"({"app_name":"acme/app"})", 0, "m/t/c/dom/registry/server/x");
  EXPECT_EQ(fetches.size(), 1u);
}

TEST_F(DispatcherTest, ADirectDeliveryKeepsToItsWindowAndEndsWithTheLastAcknowledgement) {
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1","window":2})");
  answer(0, 5000);
  run();
  const auto chunks = [&] {
    return std::ranges::count_if(published,
                                 [](const auto& each) { return each.topic.find("/server/p1/") != std::string::npos; }) -
           1;
  };
  EXPECT_EQ(chunks(), 2);
  const auto transfer = statuses().back().transfer;
  ask(R"({"transfer":")" + transfer + R"(","ack":2})");
  run();
  EXPECT_EQ(chunks(), 4);
  ask(R"({"transfer":")" + transfer + R"(","missing":"3"})");
  run();
  EXPECT_EQ(chunks(), 5);
  ask(R"({"transfer":")" + transfer + R"(","ack":5})");
  run();
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
}

TEST_F(DispatcherTest, ASilentDeviceIsPausedKeptAndThenGivenUp) {
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1","window":1})");
  answer(0, 5000);
  run();
  clock.time += 31s;
  dispatcher().tick();
  EXPECT_EQ(dispatcher().counts().sending, 0u);
  ask(R"({"transfer":")" + statuses().back().transfer + R"(","ack":1})");
  EXPECT_EQ(dispatcher().counts().sending, 1u);
  run();
  clock.time += 31s;
  dispatcher().tick();
  clock.time += 10min;
  dispatcher().tick();
  EXPECT_EQ(last_code(), "timeout");
}

TEST_F(DispatcherTest, BroadcastsWaitTheirTurnAtASlowBrokerSmallOnesDoNot) {
  ask(R"({"app_name":"acme/first"})");
  answer(0, 1'000'000);
  for (int second = 0; second < 3; ++second) {
    clock.time += 1s;
    dispatcher().tick();
    fill();
    std::size_t acknowledged = 0;
    for (const auto& each : published) {
      if (acknowledged++ < 12) dispatcher().on_delivered(each.token);
    }
  }
  ask(R"({"app_name":"acme/second"})");
  answer(1, 1'000'000);
  EXPECT_EQ(statuses().back().state, mqtt::State::fetching) << "told that it was accepted, not being sent";
  EXPECT_EQ(dispatcher().counts().waiting, 1u);
  ask(R"({"app_name":"acme/tiny"})");
  answer(2, 600);
  EXPECT_EQ(dispatcher().counts().sending, 2u) << "a small image does not wait";
}

TEST_F(DispatcherTest, ALargeBroadcastIsPacedADirectDeliveryGoesByItsAcknowledgements) {
  options.channels[0].qos = 1;
  ask(R"({"app_name":"acme/app"})");
  answer(0, 2'000'000);
  run();
  EXPECT_LE(chunk_indices().size(), Pacing::kBurstMessages + options.stream.channel_capacity)
      << "and what was on its way";
  EXPECT_TRUE(dispatcher().wants_fast_ticks());
  clock.time += Pacing::kSpread;
  dispatcher().tick();
  run();
  EXPECT_EQ(chunk_indices().size(), 2000U);
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1","window":64})");
  answer(1, 2'000'000);
  for (std::uint64_t received = 64; received <= 1984; received += 64) {
    run();
    ask(R"({"transfer":")" + statuses().back().transfer + R"(","ack":)" + std::to_string(received) + "}");
  }
  EXPECT_EQ(dispatcher().counts().sending, 1U);
  run();
  ask(R"({"transfer":")" + statuses().back().transfer + R"(","ack":2000})");
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
}

TEST_F(DispatcherTest, EmbeddedChannelsGetOneSmallMessageOrARefusal) {
  options.channels[1].profile = config::ChannelProfile::embedded;
  options.channels[1].qos = 0;
  ask(R"({"app_name":"acme/app"})", 1);
  answer(0, 600);
  run();
  const auto& chunk =
      *std::ranges::find_if(published, [](const auto& each) { return each.topic.ends_with("/server"); });
  EXPECT_LE(chunk.payload.size(), 1023u);
  EXPECT_EQ(chunk.qos, 0);
  ask(R"({"app_name":"acme/large"})", 1);
  answer(1, 800);
  EXPECT_EQ(last_code(), "too_large");
}

TEST_F(DispatcherTest, ChunksFitTheBrokersPackets) {
  dispatcher().on_ready({.packet_size_max = 600});
  ask(R"({"app_name":"acme/app"})");
  answer(0, 5000);
  run();
  for (const auto& each : published) EXPECT_LE(each.payload.size() + each.topic.size(), 600u);
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
}

TEST_F(DispatcherTest, TakesUpWhatAnEarlierProcessBegan) {
  const StartedSet set{.id = "feed",
                       .channel = "dom",
                       .app_name = "acme/app",
                       .pinned = "registry.example/acme/app@" + base::sha256("manifest").to_string(),
                       .digest = base::sha256("image"),
                       .size = 5000,
                       .chunk_size = 500,
                       .delivered = 4,
                       .begun = clock.wall_now()};
  ASSERT_TRUE(started_sets.begin(set));
  dispatcher().take_up({set});
  ask(R"({"app_name":"acme/app"})");
  ASSERT_EQ(fetches.size(), 1u) << "who asks meanwhile joins";
  answer(0, 5000);
  run();
  EXPECT_EQ(chunk_indices(), (std::vector<std::uint64_t>{4, 5, 6, 7, 8, 9, 0, 1, 2, 3}))
      << "with the chunks of old, whatever the size configured now";
}

TEST_F(DispatcherTest, ASetThatCannotBeTakenUpRestsItsName) {
  const StartedSet set{.id = "feed",
                       .channel = "dom",
                       .app_name = "acme/app",
                       .pinned = "registry.example/acme/app@" + base::sha256("manifest").to_string(),
                       .digest = base::sha256("image"),
                       .size = 5000,
                       .chunk_size = 500,
                       .delivered = 4,
                       .begun = clock.wall_now()};
  dispatcher().take_up({set});
  channel.fail(fetches[0].lane, {Code::not_found, Origin::upstream, "gone"});
  dispatcher().pump();
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 1u);
  EXPECT_EQ(last_code(), "not_found");
}

TEST_F(DispatcherTest, DrainingFinishesWhatIsBeingSentAndRefusesTheRest) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 5000);
  fill();
  ask(R"({"app_name":"acme/other"})");
  dispatcher().begin_drain();
  EXPECT_EQ(last_code(), "shutting_down");
  ask(R"({"app_name":"acme/late"})");
  EXPECT_EQ(last_code(), "shutting_down");
  EXPECT_FALSE(dispatcher().is_drained());
  run();
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
  EXPECT_TRUE(dispatcher().is_drained());
}

TEST_F(DispatcherTest, AnEndedDrainTellsTheRestAndLeavesTheNote) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 50'000);
  fill();
  dispatcher().begin_drain();
  dispatcher().end_drain();
  EXPECT_EQ(dispatcher().counts().sending, 0u);
  EXPECT_FALSE(std::filesystem::is_empty(directory)) << "the next process finishes the set";
}

}  // namespace
}  // namespace propeller::stream
