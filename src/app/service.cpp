#include "app/service.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

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

/// The first signal to end is a value to wait for, the second the end.
class Signals {
 public:
  explicit Signals(const asio::any_io_executor& executor) : set_(executor, SIGINT, SIGTERM), hangups_(executor) {
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

  /// Called for each SIGHUP from now on, on the core. Lifetime: of the planes, which outlive the core.
  void on_hangup(std::function<void()> reload) {
    reload_ = std::move(reload);
    hangups_.add(SIGHUP);
    wait_for_hangup();
  }

 private:
  void wait_for_hangup() {
    hangups_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      reload_();
      wait_for_hangup();
    });
  }

  asio::signal_set set_;
  asio::signal_set hangups_;
  std::function<void()> reload_;
  std::promise<int> first_;
};

using Planes = std::vector<Plane>;

std::vector<Health> healths(const Planes& planes) {
  std::vector<Health> all;
  for (const auto& plane : planes) all.push_back(plane.health());
  return all;
}

std::vector<admin::Route> routes(const Planes& planes, const observe::Metrics& metrics,
                                 const std::atomic<bool>& is_stopping) {
  return {
      {.path = "/health", .answer = [&planes] { return health_answer(healths(planes)); }},
      {.path = "/ready",
       .answer =
           [&planes, &is_stopping] {
             return ready_answer(healths(planes), is_stopping.load(), std::chrono::steady_clock::now());
           }},
      {.path = "/metrics",
       .answer =
           [&metrics] {
             return admin::Answer{.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics.render()};
           }},
  };
}

/// Start-up is over a second after it began, and a burst of transfers some time after its end.
async::awaitable<void> keep_small(bool is_kept_small) {
  release_resident_pages();
  co_await async::sleep_for(kStartupTime);
  release_resident_pages();
  for (;;) {
    co_await async::sleep_for(kReleaseInterval);
    if (is_kept_small) {
      release_resident_pages();
    } else {
      release_free_heap();
    }
  }
}

async::awaitable<void> finish(admin::Server& server, async::TaskGroup& tasks) {
  co_await server.stop();
  tasks.cancel();
  co_await tasks.join();
}

/// Each has its own time to drain: they share it by draining side by side.
void stop_all(std::span<const Plane> planes) {
  std::vector<std::jthread> stopping;
  for (const auto& plane : planes) stopping.emplace_back([&plane] { plane.stop(); });
}

bool start_all(const Planes& planes) {
  for (std::size_t i = 0; i < planes.size(); ++i) {
    auto started = planes[i].start();
    if (started) continue;
    observe::log_error("cannot start", {kv("plane", planes[i].name), kv("reason", base::describe(started.error()))});
    stop_all(std::span(planes).first(i));
    return false;
  }
  return true;
}

void reload_all(const Planes& planes) {
  for (const auto& plane : planes) {
    if (plane.reload) plane.reload();
  }
}

/// What happens between listening and not listening any more; the exit code.
int run_planes(const Planes& planes, Signals& signals, std::atomic<bool>& is_stopping) {
  if (!start_all(planes)) return kExitFailure;
  const int number = signals.wait();
  observe::log_info("stopping", {kv("signal", number == SIGTERM ? "SIGTERM" : "SIGINT")});
  is_stopping = true;
  stop_all(planes);
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

Result<void> start_log(const config::ForwardLog& settings) {
  start_log(config::Log{.level = settings.level, .format = settings.format});
  if (settings.file.empty()) return {};
  return observe::log_to_file(settings.file);
}

int run_service(const ServiceOptions& options, observe::Metrics& metrics, Planes planes) {
  register_process_metrics(metrics);
  const auto& admin = options.admin;
  std::atomic<bool> is_stopping{false};
  async::Core core("admin");
  Signals signals(core.executor());
  if (std::ranges::any_of(planes, [](const Plane& plane) { return plane.reload != nullptr; }))
    signals.on_hangup([&planes] { reload_all(planes); });
  admin::Server server(core.executor(), {.address = admin.address, .port = admin.port},
                       routes(planes, metrics, is_stopping));
  const auto port = server.start();
  if (!port) {
    observe::log_error("cannot serve health and metrics (PROXY_HTTP_ADDRESS, PROXY_HTTP_PORT)",
                       {kv("reason", port.error().detail)});
    observe::flush_log();
    return kExitFailure;
  }
  async::TaskGroup tasks(core.executor());
  tasks.spawn(keep_small(options.is_kept_small));
  core.start();
  observe::log_info("starting",
                    {kv("version", version()), kv("health_address", admin.address), kv("health_port", *port)});
  const int exit_code = run_planes(planes, signals, is_stopping);
  asio::co_spawn(core.executor(), finish(server, tasks), asio::use_future).get();
  core.stop();
  observe::flush_log();
  return exit_code;
}

}  // namespace propeller::app
