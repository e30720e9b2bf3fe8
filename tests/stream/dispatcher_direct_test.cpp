#include "stream/dispatcher_fixture.hpp"

namespace propeller::stream {
namespace {

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

TEST_F(DispatcherTest, ADeviceThatFallsSilentWithNothingOutstandingIsGivenUpToo) {
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1","missing":"0"})");
  answer(0, 5000);
  run();
  ask(R"({"transfer":")" + statuses().back().transfer + R"(","ack":1})");
  EXPECT_EQ(dispatcher().counts().sending, 1u) << "of five chunks it has one";
  clock.time += 31s;
  dispatcher().tick();
  EXPECT_EQ(dispatcher().counts().sending, 0u);
  clock.time += 10min;
  dispatcher().tick();
  EXPECT_EQ(last_code(), "timeout");
}

TEST_F(DispatcherTest, AManifestThatTheBrokerRefusesEndsItsTransfer) {
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1"})");
  answer(0, 5000);
  const auto manifest =
      std::ranges::find_if(published, [](const auto& each) { return each.topic.ends_with("/manifest"); });
  ASSERT_NE(manifest, published.end());
  dispatcher().on_undelivered(manifest->token, {Code::broker_rejected, Origin::upstream, "not authorised"});
  EXPECT_EQ(last_code(), "broker_rejected");
  EXPECT_EQ(dispatcher().counts().sending, 0u);
}

// Mosquitto drops the messages at QoS 2 above its limit of 20 without a word on MQTT 3.1.1.
TEST_F(DispatcherTest, ManifestsAndChunksTogetherKeepToTheWindow) {
  options.stream.transfers_max = 64;
  options.mqtt.inflight_max = 20;
  (void)dispatcher();
  for (int i = 0; i < 24; ++i) {
    ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p)" + std::to_string(i) + "\"}");
    answer(static_cast<std::size_t>(i), 600);
  }
  fill();
  EXPECT_EQ(published.size(), 20u) << "nothing was acknowledged yet";
  run();
  std::set<std::string> announced;
  int chunks = 0;
  for (const auto& each : published) {
    if (each.topic.ends_with("/status")) continue;
    const auto device = each.topic.substr(each.topic.find("/server/") + 8);
    const auto id = device.substr(0, device.find('/'));
    if (each.topic.ends_with("/manifest")) {
      announced.insert(id);
    } else {
      ++chunks;
      EXPECT_TRUE(announced.contains(id));
    }
  }
  EXPECT_EQ(announced.size(), 24u);
  EXPECT_EQ(chunks, 24);
}

TEST_F(DispatcherTest, AManifestThatDoesNotFitThePacketLeavesItsHashesOut) {
  dispatcher().on_ready({.packet_size_max = 4000});
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1","chunk_size":256})");
  const auto lane = fetches.at(0).lane;
  sizes[lane] = 25'600;
  const std::vector<Digest> hashes(100, base::sha256("chunk"));
  dispatcher().on_image(lane, {.digest = base::sha256("image"),
                               .source = base::sha256("manifest"),
                               .pinned = "registry.example/acme/app@" + base::sha256("manifest").to_string(),
                               .size = 25'600,
                               .is_at_hand = true,
                               .chunk_hashes = std::make_shared<const std::vector<Digest>>(hashes)});
  const auto manifest =
      std::ranges::find_if(published, [](const auto& each) { return each.topic.ends_with("/manifest"); });
  ASSERT_NE(manifest, published.end());
  EXPECT_LE(manifest->payload.size(), 4000u);
  EXPECT_TRUE(mqtt::parse_manifest(manifest->payload)->chunk_sha256.empty());
}

TEST_F(DispatcherTest, AManifestThatIsLostIsAnnouncedAgainBeforeItsChunks) {
  options.mqtt.inflight_max = 4;
  (void)dispatcher();
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1"})");
  answer(0, 600);
  const auto is_manifest = [](const auto& each) { return each.topic.ends_with("/manifest"); };
  for (std::uint32_t loss = 0; loss < Dispatcher::kBreaksMax; ++loss) {
    ASSERT_EQ(std::ranges::count_if(published, is_manifest), 1) << loss;
    for (const auto& each : std::exchange(published, {})) dispatcher().on_undelivered(each.token, kLost);
    dispatcher().on_down();
    dispatcher().on_ready({});
  }
  EXPECT_EQ(last_code(), "broker_rejected") << "a broker that ends every connection over it";
}

TEST_F(DispatcherTest, TheManifestSaysTheWindowThatIsKept) {
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1","window":200})");
  answer(0, 600);
  const auto manifest =
      std::ranges::find_if(published, [](const auto& each) { return each.topic.ends_with("/manifest"); });
  ASSERT_NE(manifest, published.end());
  EXPECT_EQ(mqtt::parse_manifest(manifest->payload)->window, 64u);
}

TEST_F(DispatcherTest, AnAnswerAddressThatIsTooLongIsRefused) {
  dispatcher().on_message({.topic = mqtt::topics_of(options.channels[0]).request,
                           .payload = R"({"app_name":"acme/app"})",
                           .response_topic = "m/t/c/dom/registry/server/x",
                           .correlation_data = std::string(60'000, 'x')});
  EXPECT_EQ(last_code(), "bad_request");
}

TEST_F(DispatcherTest, ACorruptDirectDeliveryRestsItsName) {
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1"})");
  channel.fail(fetches[0].lane, {Code::digest_mismatch, Origin::upstream, "the bytes are not what the manifest says"});
  dispatcher().pump();
  ask(R"({"app_name":"acme/app","deliver":"direct","proplet_id":"p1"})");
  EXPECT_EQ(fetches.size(), 1u);
  EXPECT_EQ(last_code(), "digest_mismatch");
}

}  // namespace
}  // namespace propeller::stream
