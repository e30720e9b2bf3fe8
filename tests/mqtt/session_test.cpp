#include "mqtt/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <numeric>

#include "mqtt/session_driver.hpp"
#include "support/delay_relay.hpp"
#include "support/mosquitto.hpp"
#include "support/mqtt_client.hpp"

namespace propeller::mqtt {
namespace {

using namespace std::chrono_literals;
using What = SessionDriver::What;

class SessionTest : public testing::TestWithParam<config::MqttVersion> {
 protected:
  static constexpr auto kEverything = [](const support::MqttMessage&) { return true; };

  SessionOptions options(std::vector<Subscription> subscriptions = {}) {
    auto made = session_options(broker_.address(), std::move(subscriptions));
    made.mqtt.version = GetParam();
    return made;
  }
  support::Mosquitto broker_;
};

TEST_P(SessionTest, IsReadyOnceEverySubscriptionIsAcknowledgedAndReceives) {
  SessionDriver driver(options({{"a/+", 1}, {"b", 2}}));
  EXPECT_FALSE(driver.is_ready());
  driver.start();
  driver.wait(What::ready);
  EXPECT_TRUE(driver.is_ready());
  support::MqttClient client({.port = broker_.port()});
  client.publish("a/x", "one", 1);
  client.publish("b", "two", 2);
  EXPECT_EQ(driver.wait(What::message, 1).message.topic, "a/x");
  EXPECT_EQ(driver.wait(What::message, 2).message.payload, "two");
}

TEST_P(SessionTest, PublishesWithEveryQosInOrderAndReportsEachOnce) {
  support::MqttClient client({.port = broker_.port()});
  client.subscribe("t/#", 2);
  SessionDriver driver(options());
  driver.start();
  driver.wait(What::ready);
  constexpr std::size_t kMessages = 30;  // Mosquitto drops what is above its 20 in flight at QoS 2 on 3.1.1
  for (std::size_t i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(driver.publish({.topic = "t/" + std::to_string(i % 3),
                                .payload = std::to_string(i),
                                .qos = static_cast<int>(i % 3),
                                .token = i}));
  }
  driver.wait(What::delivered, kMessages);
  std::map<int, std::size_t> next{{0, 0}, {1, 1}, {2, 2}};
  for (std::size_t i = 0; i < kMessages; ++i) {
    const auto message = client.wait(kEverything);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->payload, std::to_string(next[message->qos]));
    EXPECT_FALSE(message->is_retained);
    next[message->qos] += 3;
  }
  auto reports = driver.tokens(What::delivered);
  std::ranges::sort(reports);
  std::vector<std::uint64_t> all(kMessages);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(reports, all);
}

TEST_P(SessionTest, CarriesAMessageOfSeveralMegabytesUnchanged) {
  support::MqttClient client({.port = broker_.port()});
  client.subscribe("big", 1);
  SessionDriver driver(options());
  driver.start();
  driver.wait(What::ready);
  std::string payload(9'000'000, '\0');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 2654435761U >> 24);
  ASSERT_TRUE(driver.publish({.topic = "big", .payload = payload}));
  const auto message = client.wait(kEverything);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->payload == payload);
}

TEST_P(SessionTest, PublishingBeforeItIsReadyIsRefused) {
  SessionDriver driver(options());
  const auto published = driver.publish({.topic = "t", .payload = "x"});
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::disconnected);
}

// The broker would end the connection over it: one request's Response Topic must not do that to all the others.
TEST_P(SessionTest, ATopicThatNoBrokerTakesIsRefusedAndTheConnectionStays) {
  SessionDriver driver(options());
  driver.start();
  driver.wait(What::ready);
  for (const std::string topic : {"", "a/#", "+", "\xff", "$SYS/x"}) {
    const auto published = driver.publish({.topic = topic, .payload = "x"});
    ASSERT_FALSE(published) << topic;
    EXPECT_EQ(published.error().code, Code::bad_request);
  }
  ASSERT_TRUE(driver.publish({.topic = "t", .payload = "x"}));
  driver.wait(What::delivered);
  EXPECT_EQ(driver.count(What::down), 0u);
}

TEST_P(SessionTest, AfterABrokerRestartWhatWasInFlightIsUndeliveredAndItSubscribesAgain) {
  support::DelayRelay relay({.target_port = broker_.port()});
  auto through_relay = options({{"requests", 1}});
  through_relay.mqtt.address = "tcp://127.0.0.1:" + std::to_string(relay.port());
  SessionDriver driver(through_relay);
  driver.start();
  driver.wait(What::ready);
  relay.stall();
  for (std::uint64_t token = 1; token <= 5; ++token)
    ASSERT_TRUE(driver.publish({.topic = "t", .payload = "x", .qos = 2, .token = token}));
  relay.cut();
  relay.resume();
  broker_.restart();
  driver.wait(What::ready, 2);
  EXPECT_THAT(driver.tokens(What::undelivered), testing::UnorderedElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(driver.count(What::delivered), 0u);
  // Undelivered first, then down: the owner can count on it.
  const auto said = driver.said();
  const auto down = std::ranges::find(said, What::down, &SessionDriver::Said::what);
  EXPECT_EQ(std::count_if(said.begin(), down, [](const auto& one) { return one.what == What::undelivered; }), 5);
  support::MqttClient client({.port = broker_.port()});
  client.publish("requests", "again", 1);
  EXPECT_EQ(driver.wait(What::message).message.payload, "again");
}

TEST_P(SessionTest, ComesToABrokerThatStartsLater) {
  broker_.stop();
  SessionDriver driver(options());
  driver.start();
  const auto down = driver.wait(What::down);
  EXPECT_EQ(down.why->code, Code::disconnected);
  EXPECT_TRUE(down.why->detail.contains(broker_.address())) << down.why->detail;
  broker_.start();
  driver.wait(What::ready);
}

TEST_P(SessionTest, AnAcknowledgementThatDoesNotComeMeansTheConnectionIsDead) {
  support::DelayRelay relay({.target_port = broker_.port()});
  auto impatient = options();
  impatient.mqtt.address = "tcp://127.0.0.1:" + std::to_string(relay.port());
  impatient.mqtt.timeout = 1s;
  SessionDriver driver(impatient);
  driver.start();
  driver.wait(What::ready);
  relay.stall();
  ASSERT_TRUE(driver.publish({.topic = "t", .payload = "x", .token = 7}));
  EXPECT_EQ(driver.wait(What::undelivered).token, 7u);
  EXPECT_TRUE(driver.wait(What::down).why->detail.contains("did not acknowledge"));
  relay.resume();
  driver.wait(What::ready, 2);
}

TEST_P(SessionTest, OfTooLargeAMessageOneByteOverTheLimitArrivesAndTheNextOneWhole) {
  auto small = options({{"t", 1}});
  small.message_bytes_max = 1000;
  SessionDriver driver(small);
  driver.start();
  driver.wait(What::ready);
  support::MqttClient client({.port = broker_.port()});
  client.publish("t", std::string(5'000'000, 'x'), 1);
  client.publish("t", "fits", 1);
  EXPECT_EQ(driver.wait(What::message, 1).message.payload.size(), 1001u);
  EXPECT_EQ(driver.wait(What::message, 2).message.payload, "fits");
  EXPECT_EQ(driver.session().dropped(), 1u);
}

TEST_P(SessionTest, AFullInboxDropsAndCountsInsteadOfGrowing) {
  auto narrow = options({{"t", 0}});
  narrow.inbox_messages_max = 10;
  SessionDriver driver(narrow);
  driver.start();
  driver.wait(What::ready);
  support::MqttClient client({.port = broker_.port()});
  constexpr std::size_t kSent = 200;
  driver.on_core([&] {
    for (std::size_t i = 0; i < kSent; ++i) client.publish("t", "x", 0);
    EXPECT_TRUE(support::wait_until([&] { return driver.session().dropped() == kSent - 10; }));
  });
  driver.wait(What::message, 10);
  EXPECT_EQ(driver.count(What::message), 10u);
}

TEST_P(SessionTest, AfterStopNothingMoreIsSaidAndTheBrokerSeesAGoodbye) {
  SessionDriver driver(options({{"t", 1}}));
  driver.start();
  driver.wait(What::ready);
  ASSERT_TRUE(driver.publish({.topic = "t", .payload = "to myself", .token = 1}));
  driver.end(5s);
  const auto said = driver.said().size();
  EXPECT_TRUE(support::wait_until([&] { return broker_.log().contains("Received DISCONNECT from session-test"); }))
      << broker_.log();
  EXPECT_EQ(driver.said().size(), said);
  EXPECT_TRUE(broker_.log().contains("Received PUBLISH from session-test"));
}

TEST_P(SessionTest, ManySessionsComeAndGo) {
  for (int i = 0; i < 5; ++i) {
    SessionDriver driver(options({{"t", 1}}));
    driver.start();
    if (i % 2 == 0) driver.wait(What::ready);
    EXPECT_EQ(driver.count(What::down), 0u);
  }
}

TEST_P(SessionTest, AWindowIsKnownOnceItIsReady) {
  SessionDriver driver(options({{"t", 1}}));
  driver.start();
  driver.wait(What::ready);
  EXPECT_GE(driver.on_core([&] { return driver.session().window_bytes(); }), std::size_t{2} << 20);
}

TEST_P(SessionTest, ADistantBrokerMayHaveMoreInFlight) {
  support::DelayRelay relay({.target_port = broker_.port(), .one_way = 100ms});
  auto distant = options({{"t", 1}});
  distant.mqtt.address = "tcp://127.0.0.1:" + std::to_string(relay.port());
  SessionDriver driver(distant);
  driver.start();
  driver.wait(What::ready);
  EXPECT_GE(driver.on_core([&] { return driver.session().window_bytes(); }), std::size_t{8} << 20);
}

INSTANTIATE_TEST_SUITE_P(Mqtt, SessionTest, testing::Values(config::MqttVersion::v3_1_1, config::MqttVersion::v5),
                         [](const auto& name) { return name.param == config::MqttVersion::v5 ? "v5" : "v3"; });

std::size_t heap_bytes() { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; }

// Paho C leaks what is in its queue when a client is destroyed: 8 MB a time it was, with 20 chunks in flight.
TEST(SessionMemory, DoesNotGrowWithEveryConnectionThatIsLostWithAFullWindow) {
  if (support::kIsSanitized) GTEST_SKIP() << "a sanitizer has a heap of its own";
  const support::Mosquitto broker;
  support::DelayRelay relay({.target_port = broker.port()});
  SessionDriver driver(session_options("tcp://127.0.0.1:" + std::to_string(relay.port())));
  driver.start();
  constexpr std::size_t kLosses = 8, kWindow = 20, kChunk = 682'700;
  std::size_t after_first = 0;
  for (std::size_t loss = 1; loss <= kLosses; ++loss) {
    driver.wait(What::ready, loss);
    relay.stall();
    for (std::size_t i = 0; i < kWindow; ++i)
      ASSERT_TRUE(driver.publish({.topic = "t", .payload = std::string(kChunk, 'x')}));
    relay.cut();
    relay.resume();
    driver.wait(What::undelivered, loss * kWindow);
    driver.wait(What::ready, loss + 1);
    if (loss == 1) after_first = heap_bytes();
  }
  // Two may have been in its hands at the moment of the cut, of the twenty each time.
  EXPECT_LT(heap_bytes(), after_first + 2 * kLosses * kChunk);
}

/// Accepts and says nothing.
class SilentListener {
 public:
  SilentListener() : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {}
  std::string address(const std::string& scheme) const {
    return scheme + "://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

 private:
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

class SilentBroker : public testing::TestWithParam<const char*> {};

TEST_P(SilentBroker, ConnectingEndsWithTheTimeoutAndIsTriedAgain) {
  const SilentListener listener;
  auto impatient = session_options(listener.address(GetParam()));
  impatient.mqtt.timeout = 500ms;
  impatient.mqtt.tls.is_verification_skipped = true;
  SessionDriver driver(impatient);
  driver.start();
  driver.wait(What::down, 2);
  EXPECT_EQ(driver.wait(What::down).why->code, Code::disconnected);
}

TEST_P(SilentBroker, StopDoesNotWaitForIt) {
  const SilentListener listener;
  auto patient = session_options(listener.address(GetParam()));
  patient.mqtt.timeout = 10min;
  patient.mqtt.tls.is_verification_skipped = true;
  SessionDriver driver(patient);
  driver.start();
  driver.on_core([] {});
  driver.end(10min);
  EXPECT_EQ(driver.said().size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Mqtt, SilentBroker, testing::Values("tcp", "ws", "ssl", "wss"),
                         [](const auto& name) { return std::string(name.param); });

TEST(SessionAddress, OneThatIsNoneIsABadConfiguration) {
  SessionDriver driver(session_options("http://broker"));
  driver.start();
  EXPECT_EQ(driver.wait(What::down).why->code, Code::bad_config);
}

// The library takes a proxy from there by itself.
TEST(SessionAddress, AProxyInTheEnvironmentIsNotUsed) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  support::Mosquitto broker;
  SessionDriver driver(session_options("tcp://localhost:" + std::to_string(broker.port())));
  driver.start();
  driver.wait(What::ready);
  EXPECT_EQ(driver.count(What::down), 0u);
  ::unsetenv("http_proxy");
}

}  // namespace
}  // namespace propeller::mqtt
