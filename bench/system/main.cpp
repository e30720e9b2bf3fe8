// system_bench PROGRAM [--quick | --bars [NAME]]: the bridge, from request to last chunk, next to what the broker
// carries raw. Exit code 3 when a bar is missed; 0 all the same where CI is set, since its machine is shared.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "system/bars.hpp"
#include "system/figures.hpp"

namespace {

using namespace propeller::bench;

constexpr int kExitMissed = 3;

void print_machine() {
  std::ifstream cpus("/proc/cpuinfo");
  std::string model = "unknown CPU";
  for (std::string line; std::getline(cpus, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
  std::printf("%u x %s; broker, registry, bridge and measuring device on this one machine\n",
              std::thread::hardware_concurrency(), model.c_str());
}

void print_table(Site& site, Receiver& receiver, bool is_quick) {
  print_head();
  for (const int round_trip_ms : {0, 30, 100, 300}) {
    for (const auto delivery : {Delivery::broadcast, Delivery::direct}) {
      site.start_bridge({.round_trip_ms = round_trip_ms});
      for (const std::uint64_t size : {std::uint64_t{600}, kMiB, 10 * kMiB, 50 * kMiB}) {
        for (const std::size_t at_once : {1U, 8U}) {
          if (is_quick && size > 10 * kMiB) continue;
          const int rounds = is_quick ? 1 : size < kMiB ? 9 : size < 50 * kMiB ? 5 : at_once == 1 ? 3 : 1;
          print(measure(site, receiver, {.size = size, .at_once = at_once, .delivery = delivery, .rounds = rounds},
                        round_trip_ms));
          if (round_trip_ms == 0)
            print(measure(site, receiver,
                          {.size = size, .at_once = at_once, .delivery = delivery, .is_cold = true, .rounds = rounds},
                          0));
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: system_bench PROGRAM [--quick | --bars [raw|link|small|beside|far|memory]]\n");
    return 2;
  }
  const std::string_view mode = argc > 2 ? argv[2] : "";
  bool is_missed = false;
  try {
    Site site(argv[1]);
    Receiver receiver(site.broker_port(), site.prefix());
    print_machine();
    verify(site, receiver);
    const auto bars = measure_bars(site, receiver, mode == "--quick" ? 1 : 5, argc > 3 ? argv[3] : "");
    if (mode != "--bars") print_table(site, receiver, mode == "--quick");
    print_bars(bars);
    is_missed = std::ranges::any_of(bars, [](const Bar& bar) { return !bar.is_skipped && !bar.is_met(); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "system_bench: %s\n", error.what());
    return 1;
  }
  return is_missed && std::getenv("CI") == nullptr ? kExitMissed : 0;
}
