// The test tools are tested too: a fake that lies makes every other test worthless.
#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "support/delay_relay.hpp"
#include "support/environment.hpp"
#include "support/mosquitto.hpp"
#include "support/mqtt_client.hpp"
#include "support/subprocess.hpp"
#include "support/tls_files.hpp"
#include "support/wasm_module.hpp"

namespace propeller::support {
namespace {

TEST(Subprocess, GivesOutputExitCodeAndOnlyTheEnvironmentAskedFor) {
  Subprocess shell({.arguments = {"sh", "-c", "echo \"$GREETING$HOME\"; exit 7"},
                    .environment = {{"GREETING", "hello"}},
                    .directory = {}});
  EXPECT_EQ(shell.wait_line("hello"), "hello");
  EXPECT_EQ(shell.wait_exit(), 7);
}

TEST(Subprocess, IsKilledWithItsObject) {
  pid_t pid = 0;
  {
    Subprocess sleeper({.arguments = {"sleep", "600"}});
    pid = sleeper.pid();
    EXPECT_GT(sleeper.memory_bytes(), 0U);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Mosquitto, AcceptsAndComesBackOnItsPort) {
  Mosquitto broker;
  const auto port = broker.port();
  EXPECT_TRUE(can_connect(port));
  broker.stop();
  EXPECT_FALSE(can_connect(port));
  broker.start();
  EXPECT_TRUE(can_connect(port));
}

TEST(Mosquitto, ServesTlsToClientsWithACertificate) {
  const TlsFiles tls;
  Mosquitto broker({.users = {{"device", "secret"}},
                    .tls = MosquittoTls{tls.ca(), tls.server_certificate(), tls.server_key(), true}});
  MqttClient device({.port = broker.tls_port(),
                     .username = "device",
                     .password = "secret",
                     .ca = tls.ca(),
                     .certificate = tls.client_certificate(),
                     .key = tls.client_key()});
  device.subscribe("a");
  device.publish("a", "b");
  EXPECT_TRUE(device.wait_topic("a"));
  EXPECT_THROW(MqttClient({.port = broker.port(), .username = "device", .password = "wrong"}), std::runtime_error);
}

TEST(MqttClient, CarriesMqtt5Properties) {
  Mosquitto broker;
  MqttClient device({.port = broker.port(), .is_v5 = true});
  device.subscribe("request");
  device.publish_request("request", "please", "answer", "42");
  const auto message = device.wait_topic("request");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payload, "please");
  EXPECT_EQ(message->response_topic, "answer");
  EXPECT_EQ(message->correlation_data, "42");
}

TEST(DelayRelay, DelaysBothWaysAndPassesEveryByte) {
  Mosquitto broker({.is_log_verbose = false});
  DelayRelay relay({.target_port = broker.port(), .one_way = std::chrono::milliseconds(20)});
  MqttClient device({.port = relay.port()});
  device.subscribe("echo");
  const std::string payload = random_bytes(8'000'000, 7);
  const auto begin = std::chrono::steady_clock::now();
  device.publish("echo", payload);
  const auto message = device.wait_topic("echo");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(40));
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->payload == payload);
  EXPECT_GT(relay.bytes_up(), payload.size());
}

TEST(DelayRelay, CutResetsAndTheClientComesBack) {
  Mosquitto broker;
  DelayRelay relay({.target_port = broker.port()});
  MqttClient device({.port = relay.port()});
  device.subscribe("again");
  relay.cut();
  ASSERT_TRUE(wait_until([&] { return device.connections() == 2; }));
  device.publish("again", "x");
  EXPECT_TRUE(device.wait_topic("again"));
}

TEST(DelayRelay, AStalledRelayReadsNothing) {
  Mosquitto broker;
  DelayRelay relay({.target_port = broker.port()});
  MqttClient device({.port = relay.port()});
  relay.stall();
  const auto before = relay.bytes_up();
  device.publish_later("t", std::string(100'000, 'x'));
  EXPECT_FALSE(wait_until([&] { return relay.bytes_up() != before; }, milliseconds(200)));
  relay.resume();
  EXPECT_TRUE(wait_until([&] { return relay.bytes_up() >= before + 100'000; }));
}

// By chance alone two of so many were the same, and now and then two of one test.
TEST(FreePort, IsGivenToOneOnly) {
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 900; ++i) EXPECT_TRUE(ports.insert(free_port()).second);
}

TEST(WasmModule, HasTheSizeAskedForAndDependsOnItsSeed) {
  for (const std::size_t size : {8U, 11U, 63U, 64U, 600U, 512'000U}) EXPECT_EQ(wasm_module(size).size(), size);
  EXPECT_EQ(wasm_module(600, 1), wasm_module(600, 1));
  EXPECT_NE(wasm_module(600, 1), wasm_module(600, 2));
  EXPECT_TRUE(wasm_module(8).starts_with(std::string_view("\0asm", 4)));
}

}  // namespace
}  // namespace propeller::support
