// The way to the broker breaks, refuses, limits or stalls.
#include "integration/site.hpp"
#include "support/fake_registry.hpp"

namespace propeller::integration {
namespace {

class BrokerFaults : public Site {};

TEST_F(BrokerFaults, ABrokenConnectionGoesOnWhereItWas) {
  const std::string module = wasm_module(1'000'000);
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  device.request(name);
  for (const std::uint64_t at : {10U, 30U}) {
    ASSERT_TRUE(watch.wait_chunk(name, at));
    relay->cut();
  }
  EXPECT_TRUE(device.wait_module(name) == module);
  EXPECT_LT(watch.indices(name).size(), 60U) << "50 chunks, and the few that were in flight";
}

TEST_F(BrokerFaults, AfterABrokerRestartItSubscribesAgainAndGoesOn) {
  const std::string module = wasm_module(1'000'000);
  const std::string name = push("m", module);
  start_slow_bridge({{"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  device.request(name);
  ASSERT_TRUE(watch.wait_chunk(name, 10));
  // The bridge is held off until its clients are back: sessions are clean, what is sent without them is lost. So is
  // what the broker has taken and not passed on: a chunk of nobody's, behind all others, tells that there is none.
  relay->stall();
  relay->cut();
  watch.client().publish(topics.chunks(), R"({"app_name":"last","chunk_idx":0,"total_chunks":2,"data":"AA=="})");
  ASSERT_TRUE(wait_until([&] { return device.chunks_held("last") == 1; }));
  broker.restart();
  ASSERT_TRUE(wait_until([&] { return watch.client().connections() == 2 && device.connections() == 2; }));
  support::RustProplet other(device_options(), topics);
  relay->resume();
  EXPECT_TRUE(watch.wait_status(name, "done"));
  EXPECT_TRUE(device.wait_module(name) == module);
  other.request(name);
  EXPECT_TRUE(other.wait_module(name) == module) << "the request topic is subscribed again";
}

TEST_F(BrokerFaults, HealthSaysThatTheBrokerIsGoneAndThatItIsBack) {
  start_bridge();
  broker.stop();
  EXPECT_TRUE(wait_until([&] { return bridge->get("/health").status == 503; }));
  EXPECT_EQ(bridge->get("/ready").status, 503);
  broker.start();
  EXPECT_TRUE(wait_until([&] { return bridge->get("/health").status == 200; }));
}

TEST_F(BrokerFaults, NotAuthorisedIsTriedAgainAndHealthSaysSo) {
  support::Mosquitto strict({.users = {{"bridge", "right"}}});
  bridge = std::make_unique<Bridge>(
      environment({{"PROXY_MQTT_ADDRESS", strict.address()}, {"PROXY_PROPLET_KEY", "wr0ng-key"}}));
  ASSERT_TRUE(wait_until([&] {
    const auto health = bridge->get("/health");
    return health.status == 503 && health.body.find("authori") != std::string::npos;
  })) << bridge->get("/health").body;
  EXPECT_TRUE(bridge->process().is_running());
  EXPECT_EQ(bridge->process().output().find("wr0ng-key"), std::string::npos);
  strict.set_users({{"bridge", "wr0ng-key"}});
  EXPECT_TRUE(bridge->wait_healthy(milliseconds(60'000)));
}

TEST_F(BrokerFaults, ItStartsBeforeTheBroker) {
  broker.stop();
  bridge = std::make_unique<Bridge>(environment());
  ASSERT_TRUE(wait_until([&] { return bridge->get("/health").status == 503; }));
  broker.start();
  EXPECT_TRUE(bridge->wait_healthy());
}

TEST_F(BrokerFaults, AnAnnouncedPacketLimitMakesChunksSmaller) {
  support::Mosquitto strict({.packet_size_max = 100'000});
  const std::string module = wasm_module(1'000'000);
  const std::string name = push("m", module);
  start_bridge({{"PROXY_MQTT_ADDRESS", strict.address()}, {"PROXY_MQTT_VERSION", "5"}});
  ChannelWatch watch({.port = strict.port()}, topics);
  support::RustProplet device({.port = strict.port()}, topics);
  device.request(name);
  EXPECT_TRUE(device.wait_module(name) == module);
  const auto first = watch.wait_chunk(name, 0);
  ASSERT_TRUE(first);
  EXPECT_LT(first->payload_bytes, 100'000U);
  EXPECT_GT(first->data_bytes, 60'000U) << "as large as fits after base64 and envelope";
}

// On MQTT 5 the broker says so and keeps the connection.
TEST_F(BrokerFaults, ChunksThatTheBrokerForbidsFailTheTransferAndTheNextOneGoesOn) {
  support::Mosquitto strict(
      {.access_list = "topic readwrite #\nuser bridge\ntopic readwrite #\ntopic deny " + topics.chunks() + "\n"});
  start_bridge({{"PROXY_MQTT_ADDRESS", strict.address()},
                {"PROXY_MQTT_VERSION", "5"},
                {"PROXY_MQTT_QOS", "1"},
                {"PROXY_CHUNK_SIZE", "20000"}});
  ChannelWatch watch({.port = strict.port()}, topics);
  for (const char* each : {"one", "two"}) {
    const auto name = push(each, wasm_module(200'000));
    watch.request(name);
    EXPECT_EQ(failure_code(watch, name), "broker_rejected") << each;
  }
  EXPECT_EQ(bridge->get("/health").status, 200);
}

TEST_F(BrokerFaults, AStalledBrokerStopsTheDownloadAndMemoryStaysBounded) {
  constexpr std::size_t kSize = 50'000'000;
  const std::string module = wasm_module(kSize);
  push("m", module);
  support::DelayRelay registry_relay({.target_port = registry.port(), .queue_bytes_max = 64 * 1024});
  start_slow_bridge({{"PROXY_REGISTRY_URL", "http://127.0.0.1:" + std::to_string(registry_relay.port())},
                     {"PROXY_MQTT_INFLIGHT", "20"}},
                    milliseconds(0));
  ChannelWatch watch(device_options(), topics);
  support::RustProplet device(device_options(), topics);
  watch.request(std::string("acme/m"));
  // From the first chunk on the broker takes nothing more.
  ASSERT_TRUE(watch.wait_chunk("acme/m", 0));
  relay->stall();
  std::uint64_t last = 0;
  std::chrono::steady_clock::time_point since{};
  ASSERT_TRUE(wait_until([&] {
    const auto now = std::chrono::steady_clock::now();
    if (const auto bytes = registry_relay.bytes_down(); bytes != last) {
      last = bytes;
      since = now;
    }
    return now - since > std::chrono::seconds(1);
  })) << "the download goes on and on";
  EXPECT_LT(last, kSize * 9 / 10) << "the download has to wait for the broker";
  if (!support::kIsSanitized) {
    EXPECT_LT(bridge->process().memory_peak_bytes(), 64U * 1024 * 1024);
  }
  relay->resume();
  EXPECT_TRUE(device.wait_module("acme/m", milliseconds(90'000)) == module);
}

// Images of one chunk are not limited in number: what waits for a place in the channel must not be in memory yet.
TEST_F(BrokerFaults, TwoHundredImagesOfOneChunkStayWithinTheMemoryPromise) {
  if (support::kIsSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  constexpr int kImages = 200;
  support::FakeRegistry fake;  // Debian's takes 150 ms to store one
  std::vector<std::string> names;
  for (int i = 0; i < kImages; ++i) {
    names.push_back("acme/m" + std::to_string(i));
    fake.push_module(names.back(), "latest", wasm_module(500'000, static_cast<std::uint64_t>(i)));
  }
  // Requests must not wait for acknowledgements that are behind the chunks of others.
  support::Mosquitto eager({.inflight_max = 1000});
  // So much per queue and delay: a link of 1.3 MB/s.
  relay = std::make_unique<support::DelayRelay>(support::DelayRelayOptions{
      .target_port = eager.port(), .one_way = milliseconds(50), .queue_bytes_max = 64 * 1024});
  start_bridge(
      {{"PROXY_MQTT_ADDRESS", "tcp://127.0.0.1:" + std::to_string(relay->port())}, {"PROXY_REGISTRY_URL", fake.url()}});
  support::MqttClient device({.port = eager.port()});
  for (const auto& name : names) device.publish_later(topics.request(), support::request_for(name));
  ASSERT_TRUE(wait_until([&] { return bridge->metric("propeller_bridge_downloads_total") == kImages; }));
  EXPECT_GT(bridge->metric("propeller_bridge_transfers_active"), kImages / 2) << "they are all waiting for the link";
  EXPECT_LE(bridge->metric("propeller_bridge_channel_chunks"), 10);
  EXPECT_LT(bridge->process().memory_peak_bytes(), 64U * 1024 * 1024);
  // The end of the test must not wait for the link.
  bridge->process().signal(SIGKILL);
  ASSERT_TRUE(bridge->process().wait_exit());
}

// Mosquitto queues 1000 messages for one subscriber and drops the rest, acknowledged or not.
TEST_F(BrokerFaults, ASlowSubscriberIsNotSentMoreThanItsQueueHolds) {
  if (support::kIsSanitized) GTEST_SKIP() << "takes as long as its figures say, and longer under a sanitizer";
  constexpr std::uint64_t kTotal = 3'000;
  const std::string name = push("m", wasm_module(kTotal * 1'000));
  start_bridge({{"PROXY_CHUNK_SIZE", "1000"}});
  std::mutex mutex;
  std::set<std::uint64_t> received;
  // Twice as fast as it has to be to make the clients' 55 s at all.
  support::MqttClient slow({.port = broker.port(), .on_message = [&](const support::MqttMessage& message) {
                              std::this_thread::sleep_for(milliseconds(9));
                              const std::lock_guard lock(mutex);
                              if (const auto chunk = support::parse_chunk(message.payload))
                                received.insert(chunk->index);
                            }});
  slow.subscribe(topics.chunks(), 1);
  slow.publish(topics.request(), support::request_for(name));
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return received.size();
  };
  EXPECT_TRUE(wait_until([&] { return count() == kTotal; }, milliseconds(60'000))) << count() << " of " << kTotal;
}

TEST_F(BrokerFaults, TlsWithAClientCertificateAndWebsockets) {
  const support::TlsFiles tls;
  support::Mosquitto secure({.tls = support::MosquittoTls{tls.ca(), tls.server_certificate(), tls.server_key(), true},
                             .has_websockets = true});
  const std::string module = wasm_module(600'000);
  const std::string name = push("m", module);
  const Environment files{{"PROXY_MQTT_TLS_CA_CERT", tls.ca().string()},
                          {"PROXY_MQTT_TLS_CLIENT_CERT", tls.client_certificate().string()},
                          {"PROXY_MQTT_TLS_CLIENT_KEY", tls.client_key().string()}};
  const std::map<std::string, std::uint16_t> schemes{{"ssl", secure.tls_port()},
                                                     {"mqtts", secure.tls_port()},
                                                     {"wss", secure.wss_port()},
                                                     {"ws", secure.websocket_port()},
                                                     {"mqtt", secure.port()}};
  for (const auto& [scheme, port] : schemes) {
    Environment overrides = scheme.ends_with('s') && scheme != "ws" ? files : scheme == "ssl" ? files : Environment{};
    overrides["PROXY_MQTT_ADDRESS"] = scheme + "://127.0.0.1:" + std::to_string(port);
    start_bridge(overrides);
    support::RustProplet device({.port = secure.port()}, topics);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name, kPatience) == module) << scheme;
  }
}

TEST_F(BrokerFaults, ABrokerOfAnUnknownAuthorityIsRefusedUnlessVerificationIsOff) {
  const support::TlsFiles tls, other;
  support::Mosquitto secure(
      {.tls = support::MosquittoTls{tls.ca(), tls.server_certificate(), tls.server_key(), false}});
  const std::string address = "ssl://127.0.0.1:" + std::to_string(secure.tls_port());
  bridge = std::make_unique<Bridge>(
      environment({{"PROXY_MQTT_ADDRESS", address}, {"PROXY_MQTT_TLS_CA_CERT", other.ca().string()}}));
  EXPECT_TRUE(wait_until(
      [&] { return bridge->get("/health").status == 503 && secure.log().find("OpenSSL Error") != std::string::npos; }));
  start_bridge({{"PROXY_MQTT_ADDRESS", address}, {"PROXY_MQTT_TLS_INSECURE_SKIP_VERIFY", "1"}});
}

TEST_F(BrokerFaults, AManifestThatIsTooLargeForTheBrokerSilencesNobody) {
  for (const char* version : {"3.1.1", "5"}) {
    SCOPED_TRACE(version);
    support::Mosquitto strict({.packet_size_max = 100'000});
    const std::string name = push(std::string("m") + version[0], wasm_module(1'000'000));
    start_bridge(
        {{"PROXY_MQTT_ADDRESS", strict.address()}, {"PROXY_MQTT_VERSION", version}, {"PROXY_CHUNK_SIZE", "50000"}});
    ChannelWatch watch({.port = strict.port()}, topics);
    watch.request(name);
    ASSERT_TRUE(watch.wait_status(name, "done"));
    // 3907 hashes are 260 kB of manifest.
    watch.request(nlohmann::json{
        {"app_name", name}, {"proplet_id", "dev1"}, {"deliver", "direct"}, {"chunk_size", 256}, {"window", 4}});
    const auto manifest =
        watch.wait([&](const ChannelWatch::Event& event) { return event.topic == topics.chunks() + "/dev1/manifest"; });
    ASSERT_TRUE(manifest);
    EXPECT_FALSE(nlohmann::json::parse(manifest->text).contains("chunk_sha256"));
    EXPECT_TRUE(watch.wait([&](const ChannelWatch::Event& event) { return event.topic.ends_with("/0"); }));
    watch.request(std::string("acme/nothing"));
    EXPECT_EQ(failure_code(watch, "acme/nothing"), "not_found");
  }
}

TEST_F(BrokerFaults, FourSetsAtOnceDoNotOverflowTheQueueOfASlowSubscriber) {
  if (support::kIsSanitized) GTEST_SKIP() << "takes as long as its figures say, and longer under a sanitizer";
  constexpr std::uint64_t kTotal = 400;
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < 4; ++i) names.push_back(push("m" + std::to_string(i), wasm_module(kTotal * 1'000, i)));
  start_bridge({{"PROXY_CHUNK_SIZE", "1000"}});
  std::mutex mutex;
  std::set<std::pair<std::string, std::uint64_t>> received;
  support::MqttClient slow({.port = broker.port(), .on_message = [&](const support::MqttMessage& message) {
                              std::this_thread::sleep_for(milliseconds(18));
                              const std::lock_guard lock(mutex);
                              if (const auto chunk = support::parse_chunk(message.payload))
                                received.insert({chunk->app_name, chunk->index});
                            }});
  slow.subscribe(topics.chunks(), 1);
  for (const auto& name : names) slow.publish_later(topics.request(), support::request_for(name));
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return received.size();
  };
  EXPECT_TRUE(wait_until([&] { return count() == 4 * kTotal; }, milliseconds(60'000))) << count();
}

}  // namespace
}  // namespace propeller::integration
