#include "system/site.hpp"

#include <stdexcept>

#include "support/images.hpp"
#include "support/wasm_module.hpp"

namespace propeller::bench {
namespace {

support::MosquittoOptions broker_options() {
  support::MosquittoOptions options;
  options.is_log_verbose = false;
  options.address = "0.0.0.0";
  return options;
}

support::DockerRegistryOptions registry_options() {
  support::DockerRegistryOptions options;
  options.address = "0.0.0.0";
  return options;
}

}  // namespace

Site::Site(std::string program)
    : program_(std::move(program)),
      broker_(broker_options()),
      registry_(registry_options()),
      pusher_({.url = registry_.url()}) {}

std::vector<std::string> Site::images(std::uint64_t size, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string repository = "image" + std::to_string(size) + "-" + std::to_string(i);
    if (i >= pushed_[size]) {
      push_raw(pusher_, repository, "latest", support::wasm_module(size, ++seed_));
      pushed_[size] = i + 1;
    }
    names.push_back(repository);
  }
  return names;
}

std::vector<std::string> Site::fresh_images(std::uint64_t size, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    names.push_back("fresh" + std::to_string(++seed_));
    push_raw(pusher_, names.back(), "latest", support::wasm_module(size, seed_));
  }
  return names;
}

std::string Site::push(const std::string& repository, std::string_view module) {
  push_raw(pusher_, repository, "latest", module);
  return repository;
}

void Site::start_bridge() { start_bridge(BridgeOptions{}); }

void Site::start_bridge(const BridgeOptions& options) {
  bridge_.reset();
  relay_.reset();
  spool_ = std::make_unique<support::TempDir>();
  std::uint16_t port = broker_.port();
  if (options.round_trip_ms > 0) {
    relay_ = std::make_unique<support::DelayRelay>(support::DelayRelayOptions{
        .target_port = port, .one_way = std::chrono::microseconds(options.round_trip_ms * 500)});
    port = relay_->port();
  }
  const std::uint16_t health_port = support::free_port();
  std::vector<std::string> arguments = options.launcher;
  arguments.push_back(program_);
  arguments.push_back("run");
  bridge_ = std::make_unique<support::Subprocess>(support::SubprocessOptions{
      .arguments = std::move(arguments),
      .environment = {
          {"PROXY_MQTT_ADDRESS", "tcp://" + options.broker_host + ":" + std::to_string(port)},
          {"PROXY_PROPLET_ID", "bridge"},
          {"PROXY_PROPLET_KEY", "key"},
          {"PROXY_DOMAIN_ID", "bench"},
          {"PROXY_CHANNEL_ID", "bench"},
          {"PROXY_MQTT_QOS", "1"},
          {"PROXY_MQTT_INFLIGHT", std::to_string(kWindow)},
          {"PROXY_REGISTRY_URL", "http://" + options.registry_host + ":" + std::to_string(registry_.port())},
          {"PROXY_SPOOL_DIR", spool_->path().string()},
          {"PROXY_HTTP_ADDRESS", "0.0.0.0"},
          {"PROXY_HTTP_PORT", std::to_string(health_port)},
          {"PROXY_LOG_LEVEL", "warn"},
          {"HOME", "/nonexistent"}}});
  const std::string url = "http://" + options.health_host + ":" + std::to_string(health_port) + "/health";
  const auto is_healthy = [&] {
    try {
      return support::http_request({.url = url}).status == 200;
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  if (!support::wait_until([&] { return !bridge_->is_running() || is_healthy(); }) || !bridge_->is_running())
    throw std::runtime_error("the bridge does not start: " + bridge_->output());
}

}  // namespace propeller::bench
