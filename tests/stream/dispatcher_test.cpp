#include "stream/dispatcher_fixture.hpp"

namespace propeller::stream {
namespace {

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
    is_acknowledged ? dispatcher().on_delivered(published[i].token)
                    : dispatcher().on_undelivered(published[i].token, kLost);
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
    for (const auto& each : std::vector(published)) dispatcher().on_undelivered(each.token, kLost);
    dispatcher().on_down();
    dispatcher().on_ready({});
  }
  EXPECT_EQ(last_code(), "broker_rejected");
}

// With MQTT 5 the connection stays: nothing would be sent again.
TEST_F(DispatcherTest, AChunkThatTheBrokerRefusesEndsItsTransfer) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 30'000);
  fill();
  const auto chunk = std::ranges::find_if(published, [](const auto& each) { return each.topic.ends_with("/server"); });
  ASSERT_NE(chunk, published.end());
  dispatcher().on_undelivered(chunk->token, {Code::broker_rejected, Origin::upstream, "not authorised"});
  EXPECT_EQ(last_code(), "broker_rejected");
  EXPECT_EQ(dispatcher().counts().sending, 0u);
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

TEST_F(DispatcherTest, BroadcastsWaitTheirTurnAtASlowBrokerSmallOnesDoNot) {
  ask(R"({"app_name":"acme/first"})");
  answer(0, 1'000'000);
  for (int second = 0; second < 3; ++second) {
    clock.time += 1s;
    dispatcher().tick();
    fill();
    std::size_t chunks = 0;
    for (const auto& each : std::vector(published)) {
      if (each.topic.ends_with("/status") || chunks++ < 12) dispatcher().on_delivered(each.token);
    }
  }
  ask(R"({"app_name":"acme/second"})");
  answer(1, 1'000'000);
  EXPECT_EQ(statuses().back().state, mqtt::State::accepted) << "told that it waits for its turn";
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
  for (int second = 0; second < kClientPatience.count(); ++second) {
    clock.time += 1s;
    dispatcher().tick();
    run();
  }
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

TEST_F(DispatcherTest, WhoJoinsABegunSetWhileItIsFetchedAgainGetsAWholePass) {
  const StartedSet set{.id = "feed",
                       .channel = "cla",
                       .app_name = "acme/app",
                       .pinned = "registry.example/acme/app@" + base::sha256("manifest").to_string(),
                       .digest = base::sha256("image"),
                       .size = 5000,
                       .chunk_size = 1000,
                       .delivered = 3,
                       .begun = clock.wall_now()};
  ASSERT_TRUE(started_sets.begin(set));
  dispatcher().take_up({set});
  ask(R"({"app_name":"acme/app"})", 1);
  answer(0, 5000);
  run();
  EXPECT_EQ(chunk_indices(1), (std::vector<std::uint64_t>{3, 4, 0, 1, 2, 3, 4}));
}

TEST_F(DispatcherTest, WhoJoinsAfterTheRegistryFailedMissesNothing) {
  options.mqtt.inflight_max = 8;
  ask(R"({"app_name":"acme/app"})");
  answer(0, 30'000);
  fill();
  for (const auto& each : std::vector(published)) dispatcher().on_delivered(each.token);
  channel.fail(fetches[0].lane, {Code::registry_unavailable, Origin::upstream, "reset"});
  dispatcher().pump();
  ASSERT_EQ(fetches.size(), 2u);
  const auto before = chunk_indices().size();
  ASSERT_GT(before, 0u);
  ask(R"({"app_name":"acme/app"})");
  answer(1, 30'000);
  run();
  const auto indices = chunk_indices();
  EXPECT_EQ(std::set(indices.begin() + static_cast<std::ptrdiff_t>(before), indices.end()).size(), 30u);
}

TEST_F(DispatcherTest, OneDevicesDeadlineIsNotAnothers) {
  ask(R"({"app_name":"acme/app","proplet_id":"p1","deadline_ms":1500})");
  ask(R"({"app_name":"acme/app","proplet_id":"p2"})");
  clock.time += 2s;
  dispatcher().tick();
  EXPECT_EQ(last_code(), "");
  answer(0, 2500);
  run();
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
}

TEST_F(DispatcherTest, ABroadcastThatHasToBeOfOtherBytesIsRefusedToThatDeviceOnly) {
  const std::string other = base::sha256("another image").to_string();
  ask(R"({"app_name":"acme/app","proplet_id":"p1","digest":")" + other + "\"}");
  ask(R"({"app_name":"acme/app","proplet_id":"p2"})");
  answer(0, 2500);
  EXPECT_TRUE(std::ranges::any_of(
      statuses(), [](const mqtt::Status& each) { return each.code == "digest_mismatch" && each.proplet_id == "p1"; }));
  run();
  EXPECT_EQ(statuses().back().state, mqtt::State::done);
  ask(R"({"app_name":"acme/app","proplet_id":"p1","digest":")" + other + "\"}");
  answer(1, 2500);
  EXPECT_EQ(last_code(), "digest_mismatch");
  EXPECT_EQ(chunk_indices().size(), 3u) << "nobody is left who wants it";
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(fetches.size(), 3u) << "which is no reason to rest the name";
}

TEST_F(DispatcherTest, ACrowdReadsOneStatusASecond) {
  ask(R"({"app_name":"acme/app"})");
  answer(0, 50'000);
  for (int i = 0; i < 50; ++i) ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(statuses().size(), 3u) << "accepted, fetching, sending";
  clock.time += 1s;
  ask(R"({"app_name":"acme/app"})");
  EXPECT_EQ(statuses().size(), 4u);
}

TEST_F(DispatcherTest, AFetchThatTakesLongIsReportedEverySecond) {
  ask(R"({"app_name":"acme/app"})");
  for (int second = 0; second < 3; ++second) {
    clock.time += 1s;
    dispatcher().tick();
    for (const auto& each : std::vector(published)) dispatcher().on_delivered(each.token);
  }
  EXPECT_EQ(std::ranges::count(statuses(), mqtt::State::fetching, &mqtt::Status::state), 4);
}

TEST_F(DispatcherTest, ASetThatIsOneTooManyAfterARestartRestsItsName) {
  options.stream.transfers_max = 1;
  std::vector<StartedSet> sets;
  for (const char* name : {"acme/one", "acme/two"}) {
    sets.push_back({.id = base::random_hex(8),
                    .channel = "dom",
                    .app_name = name,
                    .pinned = "registry.example/acme/app@" + base::sha256("manifest").to_string(),
                    .digest = base::sha256("image"),
                    .size = 5000,
                    .chunk_size = 500,
                    .delivered = 4,
                    .begun = clock.wall_now()});
  }
  dispatcher().take_up(sets);
  EXPECT_EQ(fetches.size(), 1u);
  ask(R"({"app_name":"acme/two"})");
  EXPECT_EQ(last_code(), "overloaded");
  EXPECT_NE(statuses().back().message.find("the name rests"), std::string::npos);
}

}  // namespace
}  // namespace propeller::stream
