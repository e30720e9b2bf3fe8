#include "app/service.hpp"

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <cstdlib>
#include <future>

#include "admin/server.hpp"
#include "app/health.hpp"
#include "app/process_metrics.hpp"
#include "app/resident.hpp"
#include "async/core.hpp"
#include "async/task_group.hpp"
#include "observe/log.hpp"

namespace propeller::app {

namespace asio = async::asio;
using observe::kv;

namespace {

constexpr int kExitFailure = 1;
constexpr auto kStartupTime = std::chrono::seconds(1);
constexpr auto kReleaseInterval = std::chrono::seconds(30);

/// The first signal is a value to wait for, the second the end.
class Signals {
 public:
  explicit Signals(const asio::any_io_executor& executor) : set_(executor, SIGINT, SIGTERM) {
    set_.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      first_.set_value(number);
      set_.async_wait([](const boost::system::error_code& again, int) {
        if (again) return;
        observe::log_warn("second signal, ending at once");
        observe::flush_log();
        std::_Exit(kExitFailure);
      });
    });
  }

  int wait() { return first_.get_future().get(); }

 private:
  asio::signal_set set_;
  std::promise<int> first_;
};

std::vector<admin::Route> routes(const Plane& plane, const observe::Metrics& metrics,
                                 const std::atomic<bool>& is_stopping) {
  return {
      {.path = "/health", .answer = [&plane] { return health_answer(plane.health()); }},
      {.path = "/ready",
       .answer =
           [&plane, &is_stopping] {
             return ready_answer(plane.health(), is_stopping.load(), std::chrono::steady_clock::now());
           }},
      {.path = "/metrics",
       .answer =
           [&metrics] {
             return admin::Answer{.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.render()};
           }},
  };
}

/// Start-up is over a second after it began, and a burst of transfers some time after its end.
async::awaitable<void> keep_small() {
  release_resident_pages();
  co_await async::sleep_for(kStartupTime);
  for (;;) {
    release_resident_pages();
    co_await async::sleep_for(kReleaseInterval);
  }
}

async::awaitable<void> finish(admin::Server& server, async::TaskGroup& tasks) {
  co_await server.stop();
  tasks.cancel();
  co_await tasks.join();
}

/// What happens between listening and not listening any more; the exit code.
int run_plane(const Plane& plane, Signals& signals, std::atomic<bool>& is_stopping) {
  if (auto started = plane.start(); !started) {
    observe::log_error("cannot start", {kv("reason", base::describe(started.error()))});
    return kExitFailure;
  }
  const int number = signals.wait();
  observe::log_info("stopping", {kv("signal", number == SIGTERM ? "SIGTERM" : "SIGINT")});
  is_stopping = true;
  plane.stop();
  observe::log_info("stopped");
  return EXIT_SUCCESS;
}

}  // namespace

std::string_view version() { return PROPELLER_VERSION; }

void start_log(const config::Log& settings) {
  const bool is_json = settings.format == config::LogFormat::json;
  observe::start_log(
      {.level = settings.level, .format = is_json ? observe::LogFormat::json : observe::LogFormat::text});
}

int run_service(const config::Settings& settings, observe::Metrics& metrics, Plane plane) {
  register_process_metrics(metrics);
  std::atomic<bool> is_stopping{false};
  async::Core core("admin");
  Signals signals(core.executor());
  admin::Server server(core.executor(), {.address = settings.admin.address, .port = settings.admin.port},
                       routes(plane, metrics, is_stopping));
  const auto port = server.start();
  if (!port) {
    observe::log_error("cannot serve health and metrics (PROXY_HTTP_ADDRESS, PROXY_HTTP_PORT)",
                       {kv("reason", port.error().detail)});
    observe::flush_log();
    return kExitFailure;
  }
  async::TaskGroup tasks(core.executor());
  tasks.spawn(keep_small());
  core.start();
  observe::log_info("starting",
                    {kv("version", version()), kv("health_address", settings.admin.address), kv("health_port", *port)});
  const int exit_code = run_plane(plane, signals, is_stopping);
  asio::co_spawn(core.executor(), finish(server, tasks), asio::use_future).get();
  core.stop();
  observe::flush_log();
  return exit_code;
}

}  // namespace propeller::app
