#include "app/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <future>
#include <thread>

#include "admin/probe.hpp"
#include "app/resident.hpp"
#include "support/environment.hpp"

namespace propeller::app {
namespace {

using support::free_port;
using support::wait_until;
using testing::HasSubstr;

Plane plane_that_starts() {
  return {
      .start = []() -> Result<void> { return {}; }, .stop = [] {}, .health = [] { return Health{.is_healthy = true}; }};
}

int status_of(std::uint16_t port, const std::string& path) {
  const auto answer = admin::ask({.port = port, .path = path});
  return answer ? answer->status : 0;
}

/// A service on a thread of its own, until it ends by itself.
class Running {
 public:
  explicit Running(Plane plane) {
    settings_.admin.port = free_port();
    exit_code_ = std::async(std::launch::async,
                            [this, plane = std::move(plane)] { return run_service(settings_, metrics_, plane); });
    EXPECT_TRUE(wait_until([&] { return status_of(port(), "/health") != 0; }));
  }
  [[nodiscard]] std::uint16_t port() const { return settings_.admin.port; }
  int exit_code() { return exit_code_.get(); }

 private:
  config::Settings settings_;
  observe::Metrics metrics_;
  std::future<int> exit_code_;
};

TEST(Service, ServesHealthReadinessAndMetricsUntilASignalThenStopsThePlaneAndExitsZero) {
  std::atomic<bool> is_stopped{false};
  auto plane = plane_that_starts();
  plane.stop = [&] { is_stopped = true; };
  Running service(plane);
  EXPECT_EQ(status_of(service.port(), "/health"), 200);
  EXPECT_EQ(status_of(service.port(), "/ready"), 200);
  const auto metrics = admin::ask({.port = service.port(), .path = "/metrics"});
  ASSERT_TRUE(metrics);
  EXPECT_THAT(metrics->body, HasSubstr("\npropeller_build_info{version=\""));
  EXPECT_THAT(metrics->body, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_FALSE(is_stopped);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(service.exit_code(), 0);
  EXPECT_TRUE(is_stopped);
}

TEST(Service, IsNotReadyWhileItDrains) {
  std::promise<void> drained;
  auto plane = plane_that_starts();
  plane.stop = [&] { drained.get_future().wait(); };
  Running service(plane);
  kill(getpid(), SIGINT);
  EXPECT_TRUE(wait_until([&] { return status_of(service.port(), "/ready") == 503; }));
  EXPECT_EQ(status_of(service.port(), "/health"), 200);
  drained.set_value();
  EXPECT_EQ(service.exit_code(), 0);
}

TEST(Service, APlaneThatDoesNotStartIsExitCodeOne) {
  config::Settings settings;
  settings.admin.port = free_port();
  observe::Metrics metrics;
  auto plane = plane_that_starts();
  plane.start = []() -> Result<void> { return fail(Code::io, Origin::internal, "no spool"); };
  EXPECT_EQ(run_service(settings, metrics, plane), 1);
}

TEST(Service, ATakenPortIsExitCodeOneBeforeThePlaneStarts) {
  Running first(plane_that_starts());
  config::Settings settings;
  settings.admin.port = first.port();
  observe::Metrics metrics;
  bool is_started = false;
  auto plane = plane_that_starts();
  plane.start = [&]() -> Result<void> {
    is_started = true;
    return {};
  };
  EXPECT_EQ(run_service(settings, metrics, plane), 1);
  EXPECT_FALSE(is_started);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(first.exit_code(), 0);
}

TEST(ServiceDeathTest, ASecondSignalEndsTheProcessAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::promise<void> never;
        auto plane = plane_that_starts();
        plane.stop = [&] {
          kill(getpid(), SIGTERM);
          never.get_future().wait();
        };
        Running service(plane);
        kill(getpid(), SIGTERM);
        service.exit_code();
      },
      testing::ExitedWithCode(1), "");
}

TEST(Resident, ReleasedTextComesBackWhenItIsNeeded) {
  release_resident_pages();
  observe::Metrics metrics;
  metrics.counter("x_total", "X.").add();
  EXPECT_THAT(metrics.render(), HasSubstr("x_total 1"));
}

}  // namespace
}  // namespace propeller::app
