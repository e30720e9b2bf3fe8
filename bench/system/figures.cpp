#include "system/figures.hpp"

#include <algorithm>
#include <cstdio>

namespace propeller::bench {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Figure measure(Site& site, Receiver& receiver, const Plan& plan, int round_trip_ms) {
  Figure figure{.size = plan.size,
                .at_once = plan.at_once,
                .delivery = plan.delivery,
                .round_trip_ms = round_trip_ms,
                .is_cold = plan.is_cold};
  const auto warm = site.images(plan.size, plan.at_once);
  // What is measured warm was delivered once before.
  if (!plan.is_cold) figure.is_complete = receiver.fetch(warm, plan.delivery).is_complete;
  std::vector<double> seconds, wire;
  double cpu = 0;
  const double bytes = static_cast<double>(plan.size * plan.at_once);
  for (int round = 0; round < plan.rounds && figure.is_complete; ++round) {
    const auto names = plan.is_cold ? site.fresh_images(plan.size, plan.at_once) : warm;
    site.bridge().reset_memory_peak();
    const double cpu_before = site.bridge().cpu_seconds();
    const auto received = receiver.fetch(names, plan.delivery);
    figure.is_complete = received.is_complete;
    cpu += site.bridge().cpu_seconds() - cpu_before;
    seconds.push_back(received.seconds);
    wire.push_back(static_cast<double>(received.payload_bytes) / received.seconds);
    figure.peak_bytes = std::max(figure.peak_bytes, site.bridge().memory_peak_bytes());
  }
  figure.seconds = median(seconds);
  figure.wire_bytes_per_second = median(wire);
  figure.bytes_per_second = bytes / figure.seconds;
  figure.cpu_seconds_per_gib = cpu / (bytes * static_cast<double>(seconds.size())) * 1024 * 1024 * 1024;
  return figure;
}

std::string size_text(std::uint64_t bytes) {
  return bytes % kMiB == 0 ? std::to_string(bytes / kMiB) + " MiB" : std::to_string(bytes) + " B";
}

void print_head() {
  std::printf(
      "\n| image | at once | delivery | from | round trip ms | seconds | MB/s | encoded MB/s | CPU s/GiB | peak MB "
      "|\n");
  std::printf("|---|---|---|---|---|---|---|---|---|---|\n");
}

void print(const Figure& figure) {
  const bool is_bulk = figure.size >= 10 * kMiB;
  std::printf("| %s | %zu | %s | %s | %d | ", size_text(figure.size).c_str(), figure.at_once,
              figure.delivery == Delivery::direct ? "direct" : "broadcast", figure.is_cold ? "registry" : "spool",
              figure.round_trip_ms);
  if (!figure.is_complete) {
    std::printf("INCOMPLETE | | | | |\n");
  } else if (is_bulk) {
    std::printf("%.3f | %.1f | %.1f | %.2f | %.1f |\n", figure.seconds, figure.bytes_per_second / 1e6,
                figure.wire_bytes_per_second / 1e6, figure.cpu_seconds_per_gib,
                static_cast<double>(figure.peak_bytes) / 1e6);
  } else {
    std::printf("%.4f | %.1f | %.1f | | %.1f |\n", figure.seconds, figure.bytes_per_second / 1e6,
                figure.wire_bytes_per_second / 1e6, static_cast<double>(figure.peak_bytes) / 1e6);
  }
  std::fflush(stdout);
}

}  // namespace propeller::bench
