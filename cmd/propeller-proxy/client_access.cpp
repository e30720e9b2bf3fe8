#include "client_access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "admin/probe.hpp"
#include "config/parse.hpp"
#include "config/site_setters.hpp"
#include "launch/trust_bundle.hpp"

namespace propeller::cmd {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto kAnswerTimeout = 1000ms;
constexpr auto kBetweenQuestions = 50ms;
constexpr auto kDurationMax = 1h;

void warn(std::string_view text) { fmt::print(stderr, "warning: {}\n", text); }

std::string host_of(const config::Endpoint& endpoint) {
  if (endpoint.address == "0.0.0.0") return "127.0.0.1";
  if (endpoint.address == "::") return "[::1]";
  return endpoint.address.find(':') == std::string::npos ? endpoint.address : fmt::format("[{}]", endpoint.address);
}

const config::Endpoint& nearest(const std::vector<config::Endpoint>& listen) {
  const auto found =
      std::ranges::find_if(listen, [](const auto& endpoint) { return config::is_loopback(endpoint.address); });
  return found == listen.end() ? listen.front() : *found;
}

/// The client's own list, in whichever case.
std::string no_proxy_of(const Call& call) {
  for (const auto* const name : {"no_proxy", "NO_PROXY"}) {
    const auto found = call.environment.find(std::string_view(name));
    if (found != call.environment.end() && !found->second.empty()) return found->second;
  }
  return {};
}

}  // namespace

Result<launch::ProxyAccess> access_of(const Call& call, const config::Forward& settings, const std::string& host) {
  const auto& endpoint = nearest(settings.proxy.listen);
  if (endpoint.port == 0)
    return fail(Code::bad_config, Origin::client, "proxy.port is 0: which one it is, nobody knows beforehand");
  if (!settings.proxy.users.empty())
    warn("proxy.users is set: clients need a name and password, http://NAME:PASSWORD@... in the variables");
  std::error_code error;
  const auto directory = fs::absolute(settings.tls.cert_dir, error).lexically_normal();
  const auto bundle = launch::keep_bundle(directory);
  if (!bundle) return std::unexpected(bundle.error());
  if (!bundle->has_system_authorities)
    warn("no list of the system's authorities was found: programs with the bundle trust ours alone");
  return launch::ProxyAccess{.url = fmt::format("http://{}:{}", host.empty() ? host_of(endpoint) : host, endpoint.port),
                             .certificate = (directory / "ca.crt").string(),
                             .bundle = bundle->file.string(),
                             .no_proxy = no_proxy_of(call)};
}

bool wait_until_healthy(const config::Api& api, std::chrono::milliseconds limit,
                        const std::function<bool(std::chrono::milliseconds)>& pause) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return false;
    const auto answer = admin::ask({.address = api.listen.address,
                                    .port = api.listen.port,
                                    .path = "/health",
                                    .timeout = std::min<std::chrono::milliseconds>(kAnswerTimeout, left)});
    // With api.auth: token it wants to know who asks; but then it is there.
    if (answer && (answer->status == 200 || answer->status == 401)) return true;
    if (!pause(kBetweenQuestions)) return false;
  }
}

std::vector<std::string> environment_with(const Call& call, const launch::Variables& variables) {
  auto merged = call.environment;
  for (const auto& [name, value] : variables) merged[name] = value;
  std::vector<std::string> texts;
  for (const auto& [name, value] : merged) texts.push_back(fmt::format("{}={}", name, value));
  return texts;
}

std::optional<std::chrono::milliseconds> duration_flag(std::string_view command, const Parsed& flags,
                                                       std::string_view flag, std::chrono::milliseconds fallback) {
  const auto given = flags.own.find(flag);
  if (given == flags.own.end()) return fallback;
  const auto duration = config::parse_duration(given->second);
  if (duration && *duration <= kDurationMax) return duration;
  usage_error(command, fmt::format("{}={}: allowed is a duration up to 1h", flag, config::show_value(given->second)));
  return std::nullopt;
}

}  // namespace propeller::cmd
