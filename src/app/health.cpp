#include "app/health.hpp"

#include <fmt/format.h>

#include "observe/escape.hpp"

namespace propeller::app {

namespace {

constexpr std::size_t kReasonBytesMax = 500;

admin::Answer ok() { return {.status = 200, .body = "{\"status\":\"ok\"}\n"}; }

admin::Answer down(std::string_view reason) {
  return {
      .status = 503,
      .body = fmt::format("{{\"status\":\"down\",\"reason\":{}}}\n", observe::json_string(reason, kReasonBytesMax))};
}

}  // namespace

admin::Answer health_answer(const Health& health) {
  if (!health.is_healthy) {
    const std::string_view reason = "not connected and subscribed to the broker";
    return down(health.broker_error.empty() ? std::string(reason) : fmt::format("{}: {}", reason, health.broker_error));
  }
  return ok();
}

admin::Answer ready_answer(const Health& health, bool is_stopping, std::chrono::steady_clock::time_point now) {
  if (is_stopping) return down("shutting down");
  auto answer = health_answer(health);
  if (answer.status != 200) return answer;
  const bool is_recent = health.registry_asked_at && now - *health.registry_asked_at < kRegistryAnswerAge;
  if (is_recent && !health.registry_answered) return down("the registry did not answer when it was last asked");
  return answer;
}

}  // namespace propeller::app
