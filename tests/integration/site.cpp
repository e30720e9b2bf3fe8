#include "integration/site.hpp"

#include <sstream>

#include "support/sanitizer.hpp"

namespace propeller::integration {
namespace {

constexpr const char* kProgram = PROPELLER_PROXY_PROGRAM;
constexpr std::size_t kLogTailBytes = 12'000;

Environment with_port(Environment environment, std::uint16_t port) {
  environment["PROXY_HTTP_PORT"] = std::to_string(port);
  environment.try_emplace("PROXY_LOG_LEVEL", "debug");
  environment.try_emplace("HOME", "/nonexistent");
  // The end of a sanitized bridge is part of every test; one that is still sending must not hold it up for long.
  if (support::kIsSanitized) environment.try_emplace("SHUTDOWN_TIMEOUT", "10s");
  return environment;
}

}  // namespace

Bridge::Bridge(Environment environment, std::filesystem::path directory)
    : port_(support::free_port()),
      process_({.arguments = {kProgram, "run"},
                .environment = with_port(std::move(environment), port_),
                .directory = directory.empty() ? std::filesystem::temp_directory_path() : std::move(directory)}) {}

Bridge::~Bridge() {
  // SIGKILL would take the sanitizer's last word away.
  if (support::kIsSanitized) {
    if (const auto finding = support::end_and_judge(process_)) ADD_FAILURE() << "the bridge: " << *finding;
  }
  if (!testing::Test::HasFailure()) return;
  const std::string log = process_.output();
  std::cout << "---- the bridge's log ends with ----\n"
            << log.substr(log.size() - std::min(log.size(), kLogTailBytes)) << "------------------------------------\n";
}

bool Bridge::wait_healthy(milliseconds limit) {
  return wait_until([this] { return get("/health").status == 200 || !process_.is_running(); }, limit) &&
         process_.is_running();
}

support::HttpResponse Bridge::get(const std::string& path) const {
  try {
    return support::http_request({.url = "http://127.0.0.1:" + std::to_string(port_) + path});
  } catch (const std::runtime_error&) {
    return {};
  }
}

double Bridge::metric(const std::string& name) const {
  std::istringstream lines(get("/metrics").body);
  double sum = -1;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name) || line.size() <= name.size()) continue;
    if (line[name.size()] != ' ' && line[name.size()] != '{') continue;
    sum = std::max(sum, 0.0) + std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

Outcome run_program(std::vector<std::string> arguments, Environment environment) {
  arguments.insert(arguments.begin(), kProgram);
  environment.try_emplace("HOME", "/nonexistent");
  support::Subprocess process({.arguments = std::move(arguments), .environment = std::move(environment)});
  const auto code = process.wait_exit();
  if (support::kIsSanitized) {
    if (const auto finding = support::end_and_judge(process)) ADD_FAILURE() << "the program: " << *finding;
  }
  process.wait_output_end();
  return {code.value_or(-1), process.output()};
}

Site::Site(support::MosquittoOptions broker_options, support::DockerRegistryOptions registry_options)
    : broker(std::move(broker_options)), registry(std::move(registry_options)), pusher({.url = registry.url()}) {}

Environment Site::environment(const Environment& overrides) const {
  Environment result{{"PROXY_MQTT_ADDRESS", broker.address()},
                     {"PROXY_PROPLET_ID", "bridge"},
                     {"PROXY_PROPLET_KEY", "bridge-secret"},
                     {"PROXY_DOMAIN_ID", "t1"},
                     {"PROXY_CHANNEL_ID", "c1"},
                     {"PROXY_REGISTRY_URL", registry.url()},
                     {"PROXY_SPOOL_DIR", (spool / "spool").string()}};
  for (const auto& [name, value] : overrides) {
    if (value.empty()) {
      result.erase(name);
    } else {
      result[name] = value;
    }
  }
  return result;
}

Bridge& Site::start_bridge(const Environment& overrides) {
  bridge.reset();
  bridge = std::make_unique<Bridge>(environment(overrides));
  if (!bridge->wait_healthy()) {
    ADD_FAILURE() << "the bridge does not become healthy";
    throw std::runtime_error("no bridge: " + bridge->process().output());
  }
  return *bridge;
}

Bridge& Site::start_slow_bridge(Environment overrides, milliseconds one_way) {
  relay = std::make_unique<support::DelayRelay>(
      support::DelayRelayOptions{.target_port = broker.port(), .one_way = one_way});
  overrides.try_emplace("PROXY_MQTT_ADDRESS", "tcp://127.0.0.1:" + std::to_string(relay->port()));
  overrides.try_emplace("PROXY_MQTT_INFLIGHT", "1");
  return start_bridge(overrides);
}

std::string Site::push(const std::string& name, std::string_view module) {
  push_raw(pusher, "acme/" + name, "latest", module);
  return named("acme/" + name);
}

std::string failure_code(ChannelWatch& watch, const std::string& app_name) {
  const auto event = watch.wait([&](const ChannelWatch::Event& candidate) {
    if (!candidate.status.is_object() || candidate.app_name != app_name) return false;
    const std::string state = candidate.status.value("state", "");
    return state == "failed" || state == "done";
  });
  if (!event) return "no answer";
  if (event->status.value("state", "") == "done") return "done";
  if (event->status.value("message", "").empty()) return "no message";
  return event->status.value("code", "no code");
}

}  // namespace propeller::integration
