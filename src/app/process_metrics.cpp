#include "app/process_metrics.hpp"

#include <sys/resource.h>

#include <chrono>
#include <filesystem>

#include "app/resident.hpp"
#include "app/service.hpp"
#include "observe/log.hpp"

namespace propeller::app {

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double open_descriptors() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error))
    ++count;
  return count;
}

double descriptors_max() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

void register_process_metrics(observe::Metrics& metrics) {
  using namespace std::chrono;
  const double started = duration<double>(system_clock::now().time_since_epoch()).count();
  metrics.gauge_function("process_start_time_seconds", "Start of the process, in seconds since 1970.",
                         [started] { return started; });
  metrics.gauge_function("process_resident_memory_bytes", "Memory in use.", resident_bytes);
  metrics.counter_function("process_cpu_seconds_total", "User and system time.", cpu_seconds);
  metrics.gauge_function("process_open_fds", "Open file descriptors.", open_descriptors);
  metrics.gauge_function("process_max_fds", "How many file descriptors may be open.", descriptors_max);
  metrics.counter_function("propeller_log_lines_dropped_total",
                           "Log lines lost because they could not be written fast enough.",
                           [] { return static_cast<double>(observe::dropped_lines()); });
  metrics.gauge("propeller_build_info", "Always 1; the label is the version.", observe::label("version", version()))
      .set(1);
}

}  // namespace propeller::app
