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

admin::Answer health_answer(std::span<const Health> planes) {
  for (const auto& plane : planes) {
    if (!plane.is_healthy) return down(plane.reason);
  }
  return ok();
}

admin::Answer ready_answer(std::span<const Health> planes, bool is_stopping,
                           std::chrono::steady_clock::time_point now) {
  if (is_stopping) return down("shutting down");
  auto answer = health_answer(planes);
  if (answer.status != 200) return answer;
  for (const auto& plane : planes) {
    const bool is_recent = plane.registry_asked_at && now - *plane.registry_asked_at < kRegistryAnswerAge;
    if (is_recent && !plane.registry_answered) return down("the registry did not answer when it was last asked");
  }
  return answer;
}

}  // namespace propeller::app
