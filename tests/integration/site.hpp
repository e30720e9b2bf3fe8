#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support/channel.hpp"
#include "support/delay_relay.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/mosquitto.hpp"
#include "support/proplets.hpp"
#include "support/wasm_module.hpp"

/// Black-box tests: the real binary between Debian's broker and registry, told what to do through its environment.
namespace propeller::integration {

using support::ChannelTopics;
using support::ChannelWatch;
using support::kPatience;
using support::milliseconds;
using support::Pusher;
using support::wait_until;
using support::wasm_module;
using Environment = std::map<std::string, std::string>;

/// The program under test, running as a service.
class Bridge {
 public:
  /// Adds an HTTP port and a log level to the environment. Does not wait.
  explicit Bridge(Environment environment, std::filesystem::path directory = {});
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  /// Connected and subscribed. False when it ends instead, or takes too long.
  [[nodiscard]] bool wait_healthy(milliseconds limit = kPatience);
  [[nodiscard]] support::HttpResponse get(const std::string& path) const;  ///< status 0: nobody answers
  /// Sum of the samples of a metric over its labels; -1 when there is none.
  [[nodiscard]] double metric(const std::string& name) const;
  [[nodiscard]] support::Subprocess& process() { return process_; }
  [[nodiscard]] std::uint16_t http_port() const { return port_; }

 private:
  std::uint16_t port_;
  support::Subprocess process_;
};

/// Runs the program with these arguments to its end.
struct Outcome {
  int exit_code = -1;
  std::string output;
};
[[nodiscard]] Outcome run_program(std::vector<std::string> arguments, Environment environment = {});

/// Broker, registry and a bridge on the domain channel t1/c1.
class Site : public testing::Test {
 protected:
  explicit Site(support::MosquittoOptions broker_options = {}, support::DockerRegistryOptions registry_options = {});

  /// What start_bridge() gives it before the overrides. An empty override takes a variable away.
  [[nodiscard]] Environment environment(const Environment& overrides = {}) const;
  /// Starts one (ending the one before) and waits until it is healthy: a fatal failure if it is not.
  Bridge& start_bridge(const Environment& overrides = {});
  /// One whose chunks cross to the broker one by one, a round trip each: a test has time to act in the middle.
  Bridge& start_slow_bridge(Environment overrides = {}, milliseconds one_way = milliseconds(10));

  [[nodiscard]] support::MqttClientOptions device_options() const { return {.port = broker.port()}; }
  /// A name with the registry's host in front.
  [[nodiscard]] std::string named(const std::string& name) const { return registry.host() + "/" + name; }
  /// Pushes it as acme/<name>:latest and returns the reference.
  std::string push(const std::string& name, std::string_view module);

  support::Mosquitto broker;
  support::DockerRegistry registry;
  Pusher pusher;
  support::TempDir spool;
  ChannelTopics topics = support::domain_topics("t1", "c1");
  std::unique_ptr<support::DelayRelay> relay;
  std::unique_ptr<Bridge> bridge;
};

/// The code of the failure that ends this wish, or what came instead.
[[nodiscard]] std::string failure_code(ChannelWatch& watch, const std::string& app_name);

}  // namespace propeller::integration
