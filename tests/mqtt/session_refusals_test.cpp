#include <gtest/gtest.h>

#include <span>

#include "mqtt/scripted_broker.hpp"
#include "mqtt/session.hpp"
#include "mqtt/session_driver.hpp"
#include "support/mosquitto.hpp"
#include "support/mqtt_client.hpp"
#include "support/tls_files.hpp"

/// What a broker may refuse, TLS and WebSockets, and what only MQTT 5 has.
namespace propeller::mqtt {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using What = SessionDriver::What;
using config::MqttVersion;

class RefusalTest : public testing::TestWithParam<MqttVersion> {
 protected:
  SessionOptions options(const support::Mosquitto& broker, std::vector<Subscription> subscriptions = {}) {
    auto made = session_options(broker.address(), std::move(subscriptions));
    made.mqtt.version = GetParam();
    return made;
  }
};

TEST_P(RefusalTest, AWrongPasswordIsRejectedWithASentenceAndTriedAgainUntilItIsRight) {
  support::Mosquitto broker({.users = {{"bridge", "old"}}});
  auto wanted = options(broker);
  wanted.mqtt.username = "bridge";
  wanted.mqtt.password = Secret("new");
  SessionDriver driver(wanted);
  driver.start();
  const auto down = driver.wait(What::down);
  EXPECT_EQ(down.why->code, Code::broker_rejected);
  EXPECT_TRUE(down.why->detail.contains("not authorised") || down.why->detail.contains("password")) << down.why->detail;
  EXPECT_FALSE(down.why->detail.contains("new"));
  broker.set_users({{"bridge", "new"}});
  driver.wait(What::ready);
}

TEST_P(RefusalTest, ARefusedSubscriptionIsNamedAndTriedAgainAndTheSessionIsNotReady) {
  const bool is_v5 = GetParam() == MqttVersion::v5;
  const ScriptedBroker broker(
      {.connack = is_v5 ? "\x20\x03\0\0\0"s : "\x20\x02\0\0"s, .suback = is_v5 ? "\0\x87"s : "\x80"s});
  auto wanted = session_options(broker.address(), {{"forbidden/x", 1}});
  wanted.mqtt.version = GetParam();
  SessionDriver driver(wanted);
  driver.start();
  driver.wait(What::down, 2);
  const auto down = driver.wait(What::down);
  EXPECT_EQ(down.why->code, Code::broker_rejected);
  EXPECT_EQ(down.why->detail, "not authorised to subscribe to forbidden/x");
  EXPECT_EQ(driver.count(What::ready), 0u);
}

TEST_P(RefusalTest, EachRefusalOfTheConnectionHasItsSentence) {
  const bool is_v5 = GetParam() == MqttVersion::v5;
  const std::pair<char, std::string_view> v3[] = {
      {1, "MQTT version"}, {2, "client id"}, {4, "password"}, {5, "not authorised"}};
  const std::pair<char, std::string_view> v5[] = {{'\x84', "MQTT version"},
                                                  {'\x85', "client id"},
                                                  {'\x86', "password"},
                                                  {'\x87', "not authorised"},
                                                  {'\x8a', "banned"}};
  for (const auto& [code, sentence] : is_v5 ? std::span(v5) : std::span<const std::pair<char, std::string_view>>(v3)) {
    const ScriptedBroker broker({.connack = is_v5 ? "\x20\x03\0"s + code + '\0' : "\x20\x02\0"s + code});
    auto wanted = session_options(broker.address());
    wanted.mqtt.version = GetParam();
    SessionDriver driver(wanted);
    driver.start();
    const auto down = driver.wait(What::down);
    EXPECT_EQ(down.why->code, Code::broker_rejected);
    EXPECT_TRUE(down.why->detail.contains(sentence)) << down.why->detail;
  }
}

INSTANTIATE_TEST_SUITE_P(Mqtt, RefusalTest, testing::Values(MqttVersion::v3_1_1, MqttVersion::v5),
                         [](const auto& name) { return name.param == MqttVersion::v5 ? "v5" : "v3"; });

/// ssl and wss on one broker.
class TlsTest : public testing::TestWithParam<const char*> {
 public:
  support::Mosquitto start_broker(bool wants_client_certificate = false) {
    return support::Mosquitto({.tls = support::MosquittoTls{.ca = files_.ca(),
                                                            .certificate = files_.server_certificate(),
                                                            .key = files_.server_key(),
                                                            .is_client_certificate_required = wants_client_certificate},
                               .has_websockets = true});
  }
  SessionOptions options(const support::Mosquitto& broker, const std::string& host = "localhost") {
    const bool is_websocket = std::string_view(GetParam()) == "wss";
    auto made = session_options(std::string(GetParam()) + "://" + host + ":" +
                                    std::to_string(is_websocket ? broker.wss_port() : broker.tls_port()),
                                {{"t", 1}});
    made.mqtt.tls.ca_cert = files_.ca();
    return made;
  }
  /// What the bridge does: large messages go out, small ones come in.
  static void expect_round_trip(SessionDriver& driver, const support::Mosquitto& broker) {
    driver.start();
    driver.wait(What::ready);
    support::MqttClient client({.port = broker.port()});
    client.subscribe("chunks", 1);
    for (const std::size_t size : {100, 600'000, 100'000, 2'000'000}) {
      ASSERT_TRUE(driver.publish({.topic = "chunks", .payload = std::string(size, 'x')}));
      const auto chunk = client.wait_topic("chunks");
      ASSERT_TRUE(chunk);
      EXPECT_TRUE(chunk->payload == std::string(size, 'x')) << size;
    }
    driver.wait(What::delivered, 4);
    client.publish("t", "request", 1);
    EXPECT_EQ(driver.wait(What::message).message.payload, "request");
  }
  void expect_refused(SessionDriver& driver, std::string_view reason) {
    driver.start();
    const auto down = driver.wait(What::down);
    EXPECT_EQ(down.why->code, Code::disconnected);
    EXPECT_TRUE(down.why->detail.contains(reason)) << down.why->detail;
    EXPECT_EQ(driver.count(What::ready), 0u);
  }
  support::TlsFiles files_;
};

TEST_P(TlsTest, ConnectsToABrokerWithACertificateOfItsAuthority) {
  const auto broker = start_broker();
  SessionDriver driver(options(broker));
  expect_round_trip(driver, broker);
}

TEST_P(TlsTest, ConnectsToABrokerByItsAddressWhenTheCertificateCarriesIt) {
  const auto broker = start_broker();
  SessionDriver driver(options(broker, "127.0.0.1"));
  expect_round_trip(driver, broker);
}

TEST_P(TlsTest, RefusesABrokerWhoseCertificateAnotherAuthoritySigned) {
  const auto broker = start_broker();
  const support::TlsFiles others;
  auto wrong = options(broker);
  wrong.mqtt.tls.ca_cert = others.ca();
  SessionDriver driver(wrong);
  expect_refused(driver, "certificate");
}

// "127.1" is the broker's address, and not a name in its certificate.
TEST_P(TlsTest, RefusesABrokerWhoseCertificateNamesAnotherHost) {
  const auto broker = start_broker();
  SessionDriver driver(options(broker, "127.1"));
  expect_refused(driver, "hostname mismatch");
}

TEST_P(TlsTest, SkippingVerificationTakesBoth) {
  const auto broker = start_broker();
  auto careless = options(broker, "127.1");
  careless.mqtt.tls.ca_cert.clear();
  careless.mqtt.tls.is_verification_skipped = true;
  SessionDriver driver(careless);
  expect_round_trip(driver, broker);
}

TEST_P(TlsTest, ShowsItsOwnCertificateWhereTheBrokerWantsOne) {
  const auto broker = start_broker(true);
  auto with_certificate = options(broker);
  with_certificate.mqtt.tls.client_cert = files_.client_certificate();
  with_certificate.mqtt.tls.client_key = files_.client_key();
  SessionDriver driver(with_certificate);
  expect_round_trip(driver, broker);
}

TEST_P(TlsTest, WithoutACertificateTheBrokerThatWantsOneSaysNo) {
  const auto broker = start_broker(true);
  SessionDriver driver(options(broker));
  driver.start();
  driver.wait(What::down);
  EXPECT_EQ(driver.count(What::ready), 0u);
}

TEST_P(TlsTest, ACertificateFileThatCannotBeUsedIsABadConfigurationThatNamesIt) {
  const auto broker = start_broker();
  auto wrong = options(broker);
  wrong.mqtt.tls.ca_cert = files_.server_key();
  SessionDriver driver(wrong);
  driver.start();
  const auto down = driver.wait(What::down);
  EXPECT_EQ(down.why->code, Code::bad_config);
  EXPECT_TRUE(down.why->detail.contains(files_.server_key().string())) << down.why->detail;
}

INSTANTIATE_TEST_SUITE_P(Mqtt, TlsTest, testing::Values("ssl", "mqtts", "wss"),
                         [](const auto& name) { return std::string(name.param); });

SessionOptions v5_options(const support::Mosquitto& broker, std::vector<Subscription> subscriptions = {}) {
  auto made = session_options(broker.address(), std::move(subscriptions));
  made.mqtt.version = MqttVersion::v5;
  return made;
}

TEST(Mqtt5, TheBrokersLimitsAreKnownAndKept) {
  const support::Mosquitto broker({.packet_size_max = 100'000, .inflight_max = 7});
  SessionDriver driver(v5_options(broker));
  driver.start();
  const auto limits = driver.wait(What::ready).limits;
  EXPECT_EQ(limits.packet_size_max, 100'000u);
  EXPECT_EQ(limits.receive_max, 7u);
  EXPECT_FALSE(limits.qos_max);
  const auto published = driver.publish({.topic = "t", .payload = std::string(100'000, 'x')});
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::too_large);
  ASSERT_TRUE(driver.publish({.topic = "t", .payload = std::string(99'000, 'x'), .qos = 2}));
  driver.wait(What::delivered);
  EXPECT_EQ(driver.count(What::down), 0u);
}

TEST(Mqtt5, ABrokerThatTakesNoQosGetsNone) {
  // CONNACK with Maximum QoS 0: a QoS 1 message would never be acknowledged by this broker, a QoS 0 one is done when
  // written.
  const ScriptedBroker broker({.connack = "\x20\x05\0\0\x02\x24\0"s});
  auto wanted = session_options(broker.address());
  wanted.mqtt.version = MqttVersion::v5;
  SessionDriver driver(wanted);
  driver.start();
  EXPECT_EQ(driver.wait(What::ready).limits.qos_max, 0);
  ASSERT_TRUE(driver.publish({.topic = "t", .payload = "x", .qos = 2}));
  driver.wait(What::delivered);
}

// Paho C holds such messages back by itself and then looks at them once a second.
TEST(Mqtt5, MoreMessagesThanTheReceiveMaximumGoOutAsAcknowledgementsComeInOrder) {
  const support::Mosquitto broker({.inflight_max = 5});
  support::MqttClient client({.port = broker.port()});
  client.subscribe("t", 1);
  SessionDriver driver(v5_options(broker));
  driver.start();
  driver.wait(What::ready);
  constexpr std::size_t kMessages = 500;
  for (std::size_t i = 0; i < kMessages; ++i)
    ASSERT_TRUE(driver.publish({.topic = "t", .payload = std::to_string(i), .token = i}));
  driver.wait(What::delivered, kMessages);
  for (std::size_t i = 0; i < kMessages; ++i) {
    const auto message = client.wait_topic("t");
    ASSERT_TRUE(message);
    EXPECT_EQ(message->payload, std::to_string(i));
  }
}

TEST(Mqtt5, StopWaitsForWhatTheReceiveMaximumHeldBack) {
  const support::Mosquitto broker({.inflight_max = 1});
  support::MqttClient client({.port = broker.port()});
  client.subscribe("t", 1);
  SessionDriver driver(v5_options(broker));
  driver.start();
  driver.wait(What::ready);
  driver.on_core([&] {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(driver.session().publish({.topic = "t", .payload = std::to_string(i)}));
    driver.session().stop(20s);
  });
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(client.wait_topic("t").value_or(support::MqttMessage{}).payload, std::to_string(i));
}

TEST(Mqtt5, PropertiesGoOutAndComeIn) {
  const support::Mosquitto broker;
  SessionDriver driver(v5_options(broker, {{"requests", 1}}));
  driver.start();
  driver.wait(What::ready);
  support::MqttClient client({.port = broker.port(), .is_v5 = true});
  client.subscribe("answers", 1);
  const std::string correlation("\x01\x00\xff id", 6);
  client.publish_request("requests", "please", "answers", correlation);
  const auto request = driver.wait(What::message).message;
  EXPECT_EQ(request.response_topic, "answers");
  EXPECT_EQ(request.correlation_data, correlation);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(driver.publish({.topic = request.response_topic,
                                .payload = "here",
                                .content_type = "application/wasm",
                                .correlation_data = correlation,
                                .expiry = 77s}));
    const auto answer = client.wait_topic("answers");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->content_type, "application/wasm");
    EXPECT_EQ(answer->correlation_data, correlation);
    EXPECT_LE(answer->expiry_seconds.value_or(0), 77u);
    EXPECT_GE(answer->expiry_seconds.value_or(0), 60u);
  }
}

TEST(Mqtt5, AMessageThatTheBrokerRefusesIsUndeliveredAndTheConnectionStays) {
  const support::Mosquitto broker(
      {.users = {{"bridge", "key"}}, .access_list = "user bridge\ntopic readwrite allowed\n"});
  auto wanted = v5_options(broker);
  wanted.mqtt.username = "bridge";
  wanted.mqtt.password = Secret("key");
  SessionDriver driver(wanted);
  driver.start();
  driver.wait(What::ready);
  ASSERT_TRUE(driver.publish({.topic = "forbidden", .payload = "x", .token = 1}));
  const auto refused = driver.wait(What::undelivered);
  EXPECT_EQ(refused.token, 1u);
  EXPECT_EQ(refused.why->code, Code::broker_rejected);
  EXPECT_EQ(driver.count(What::down), 0u);
}

TEST(Mqtt5, ASharedSubscriptionGetsItsShare) {
  const support::Mosquitto broker;
  auto one = v5_options(broker, {{"$share/group/requests", 1}});
  auto two = one;
  two.mqtt.client_id = "session-test-2";
  SessionDriver first(one), second(two);
  for (auto* driver : {&first, &second}) {
    driver->start();
    driver->wait(What::ready);
  }
  support::MqttClient client({.port = broker.port()});
  for (int i = 0; i < 10; ++i) client.publish("requests", "x", 1);
  EXPECT_TRUE(support::wait_until([&] { return first.count(What::message) + second.count(What::message) == 10; }));
  EXPECT_GT(first.count(What::message), 0u);
  EXPECT_GT(second.count(What::message), 0u);
}

// Two bridges with one client id throw each other out for ever; each has to be told why.
TEST(Mqtt5, AnotherClientWithItsIdIsNamedAsTheReason) {
  const ScriptedBroker broker({.connack = "\x20\x03\0\0\0"s, .suback = "\0\x01"s, .after_suback = "\xe0\x01\x8e"s});
  auto wanted = session_options(broker.address(), {{"t", 1}});
  wanted.mqtt.version = MqttVersion::v5;
  SessionDriver driver(wanted);
  driver.start();
  const auto down = driver.wait(What::down);
  EXPECT_TRUE(down.why->detail.contains("client id")) << down.why->detail;
}

}  // namespace
}  // namespace propeller::mqtt
