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
  return {.name = "plane",
          .start = []() -> Result<void> { return {}; },
          .stop = [] {},
          .health = [] { return Health{.is_healthy = true}; },
          .reload = nullptr};
}

int status_of(std::uint16_t port, const std::string& path) {
  const auto answer = admin::ask({.port = port, .path = path});
  return answer ? answer->status : 0;
}

/// A service on a thread of its own, until it ends by itself.
class Running {
 public:
  explicit Running(Plane plane) : Running(std::vector{std::move(plane)}) {}
  explicit Running(std::vector<Plane> planes) {
    options_.admin.port = free_port();
    exit_code_ = std::async(std::launch::async,
                            [this, planes = std::move(planes)] { return run_service(options_, metrics_, planes); });
    EXPECT_TRUE(wait_until([&] { return status_of(port(), "/health") != 0; }));
  }
  [[nodiscard]] std::uint16_t port() const { return options_.admin.port; }
  int exit_code() { return exit_code_.get(); }

 private:
  ServiceOptions options_;
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

TEST(Service, DrainsItsPlanesSideBySide) {
  std::promise<void> first_waits;
  auto first = plane_that_starts();
  first.stop = [&] { first_waits.get_future().wait(); };
  auto second = plane_that_starts();
  second.stop = [&] { first_waits.set_value(); };
  Running service(std::vector{first, second});
  kill(getpid(), SIGTERM);
  EXPECT_EQ(service.exit_code(), 0);
}

TEST(Service, APlaneThatStartedIsStoppedWhenTheNextOneDoesNotStart) {
  ServiceOptions options;
  options.admin.port = free_port();
  observe::Metrics metrics;
  bool is_stopped = false;
  auto first = plane_that_starts();
  first.stop = [&] { is_stopped = true; };
  auto second = plane_that_starts();
  second.start = []() -> Result<void> { return fail(Code::io, Origin::internal, "no port"); };
  EXPECT_EQ(run_service(options, metrics, {first, second}), 1);
  EXPECT_TRUE(is_stopped);
}

TEST(Service, SighupReloadsThePlanesThatCan) {
  std::atomic<int> reloads = 0;
  auto plane = plane_that_starts();
  plane.reload = [&] { ++reloads; };
  Running service(std::vector{plane_that_starts(), plane});
  for (int wanted = 1; wanted <= 2; ++wanted) {
    kill(getpid(), SIGHUP);
    EXPECT_TRUE(wait_until([&] { return reloads == wanted; }));
  }
  kill(getpid(), SIGTERM);
  EXPECT_EQ(service.exit_code(), 0);
}

TEST(Service, APlaneThatDoesNotStartIsExitCodeOne) {
  ServiceOptions options;
  options.admin.port = free_port();
  observe::Metrics metrics;
  auto plane = plane_that_starts();
  plane.start = []() -> Result<void> { return fail(Code::io, Origin::internal, "no spool"); };
  EXPECT_EQ(run_service(options, metrics, {plane}), 1);
}

TEST(Service, ATakenPortIsExitCodeOneBeforeThePlaneStarts) {
  Running first(plane_that_starts());
  ServiceOptions options;
  options.admin.port = first.port();
  observe::Metrics metrics;
  bool is_started = false;
  auto plane = plane_that_starts();
  plane.start = [&]() -> Result<void> {
    is_started = true;
    return {};
  };
  EXPECT_EQ(run_service(options, metrics, {plane}), 1);
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
