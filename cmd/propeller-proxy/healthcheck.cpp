#include <fmt/format.h>

#include <filesystem>

#include "admin/probe.hpp"
#include "command.hpp"
#include "config/parse.hpp"

namespace propeller::cmd {

namespace {

constexpr auto kTimeoutMax = std::chrono::minutes(5);

int unhealthy(std::string_view why) {
  fmt::print(stderr, "unhealthy: {}\n", why);
  return kExitFailure;
}

}  // namespace

int run_healthcheck(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("healthcheck"), call.arguments, exit_code);
  if (!flags) return exit_code;
  const auto own = [&](std::string_view name, std::string_view variable, std::string fallback) {
    const auto flag = flags->own.find(name);
    if (flag != flags->own.end()) return flag->second;
    const auto set = call.environment.find(variable);
    return set != call.environment.end() && !set->second.empty() ? set->second : fallback;
  };
  const auto port_text = own("--http-port", "PROXY_HTTP_PORT", "9191");
  const auto port = config::parse_number(port_text);
  if (!port || *port == 0 || *port > 65535) {
    return usage_error("healthcheck",
                       fmt::format("PROXY_HTTP_PORT={}: allowed is 1 to 65535", config::show_value(port_text)));
  }
  const auto address = own("--http-address", "PROXY_HTTP_ADDRESS", "127.0.0.1");
  if (!config::is_ip_address(address)) {
    return usage_error("healthcheck",
                       fmt::format("PROXY_HTTP_ADDRESS={}: allowed is an IP address", config::show_value(address)));
  }
  const auto timeout_text = own("--timeout", "", "3s");
  const auto timeout = config::parse_duration(timeout_text);
  if (!timeout || timeout->count() == 0 || *timeout > kTimeoutMax) {
    return usage_error("healthcheck",
                       fmt::format("--timeout={}: allowed is a duration up to 5m", config::show_value(timeout_text)));
  }
  const auto drain_file = own("--drain-file", "", "");
  std::error_code ignored;
  if (!drain_file.empty() && std::filesystem::exists(drain_file, ignored)) {
    return unhealthy(fmt::format("the drain file {} exists", drain_file));
  }
  const auto answer = admin::ask({.address = address,
                                  .port = static_cast<std::uint16_t>(*port),
                                  .path = flags->own.contains("--ready") ? "/ready" : "/health",
                                  .timeout = *timeout});
  if (!answer) return unhealthy(fmt::format("{} port {}: {}", address, *port, answer.error().detail));
  if (answer->status != 200)
    return unhealthy(fmt::format("status {}: {}", answer->status, config::show_value(answer->body)));
  fmt::print("healthy\n");
  return kExitOk;
}

}  // namespace propeller::cmd
