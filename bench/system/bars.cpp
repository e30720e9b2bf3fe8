#include "system/bars.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "support/wasm_module.hpp"
#include "system/raw_rate.hpp"
#include "system/shaped_link.hpp"

namespace propeller::bench {
namespace {

constexpr std::uint64_t kLarge = 50 * kMiB;
constexpr double kLinkBytesPerSecond = 80e6 / 8;

double rate_of(Site& site, Receiver& receiver, Delivery delivery, bool is_cold) {
  return measure(site, receiver, {.size = kLarge, .delivery = delivery, .is_cold = is_cold, .rounds = 1}, 0)
      .wire_bytes_per_second;
}

/// Raw and bridge in turn, so that a machine whose speed drifts hits both alike. The ratio is that of the medians.
void against_raw(Site& site, Receiver& receiver, int rounds, std::vector<Bar>& bars) {
  constexpr std::uint64_t kMessages = (kLarge + kChunkBytes - 1) / kChunkBytes;
  constexpr std::uint64_t kEncodedChunk = kChunkBytes / 3 * 4 + 80;
  site.start_bridge();
  std::vector<double> raw_encoded, raw_plain, warm, cold, direct;
  for (int round = 0; round < rounds; ++round) {
    raw_encoded.push_back(raw_rate(site.broker_port(), kEncodedChunk, kMessages, kWindow));
    warm.push_back(rate_of(site, receiver, Delivery::broadcast, false));
    cold.push_back(rate_of(site, receiver, Delivery::broadcast, true));
    raw_plain.push_back(raw_rate(site.broker_port(), kChunkBytes, kMessages, kWindow));
    direct.push_back(rate_of(site, receiver, Delivery::direct, false));
  }
  std::printf(
      "raw libmosquitto, QoS 1, %d in flight: %.0f MB/s of %llu byte messages, %.0f MB/s of %llu byte messages\n",
      kWindow, median(raw_encoded) / 1e6, static_cast<unsigned long long>(kEncodedChunk), median(raw_plain) / 1e6,
      static_cast<unsigned long long>(kChunkBytes));
  bars.push_back({.what = "50 MiB broadcast from the spool, of the raw rate",
                  .measured = median(warm) / median(raw_encoded),
                  .bar = 0.7,
                  .unit = "x"});
  bars.push_back({.what = "50 MiB broadcast from the registry, of the raw rate",
                  .measured = median(cold) / median(raw_encoded),
                  .bar = 0.45,
                  .unit = "x"});
  bars.push_back({.what = "50 MiB direct raw, of the raw rate",
                  .measured = median(direct) / median(raw_plain),
                  .bar = 0.7,
                  .unit = "x"});
}

Bar over_a_slow_link(Site& site, Receiver& receiver, int rounds) {
  Bar bar{.what = "10 MiB broadcast over an 80 Mbit/s link, of its rate", .bar = 0.85, .unit = "x"};
  if (!ShapedLink::is_possible()) {
    bar.is_skipped = true;
    bar.note = "needs root for a network namespace";
    return bar;
  }
  const ShapedLink link(80);
  site.start_bridge({.launcher = link.launcher(),
                     .broker_host = link.outer_host(),
                     .registry_host = link.outer_host(),
                     .health_host = link.inner_host()});
  const auto figure = measure(site, receiver, {.size = 10 * kMiB, .rounds = rounds}, 0);
  if (!figure.is_complete)
    std::fprintf(stderr, "nothing came over the slow link:\n%s\n", site.bridge().output().c_str());
  site.stop_bridge();
  bar.measured = figure.wire_bytes_per_second / kLinkBytesPerSecond;
  return bar;
}

Bar small_and_cold(Site& site, Receiver& receiver, int rounds) {
  site.start_bridge();
  std::vector<double> milliseconds;
  for (const auto& name : site.fresh_images(600, static_cast<std::size_t>(rounds) * 10))
    milliseconds.push_back(receiver.fetch({name}, Delivery::broadcast).seconds * 1e3);
  return {.what = "600 B from the registry, median",
          .measured = median(milliseconds),
          .bar = 6,
          .is_upper = true,
          .unit = "ms"};
}

/// Small images asked for one after the other while a large one is on its way, 100 ms away from the broker.
Bar small_beside_large(Site& site, Receiver& receiver, int rounds) {
  constexpr int kRoundTrip = 100;
  site.start_bridge({.round_trip_ms = kRoundTrip});
  const auto large = site.images(kLarge, 1).front();
  std::vector<double> milliseconds;
  const auto smalls = site.fresh_images(600, static_cast<std::size_t>(rounds) * 10);
  auto next = smalls.begin();
  for (int pass = 0; pass < rounds * 3 && next != smalls.end(); ++pass) {
    receiver.forget_all();
    receiver.ask(large, Delivery::broadcast);
    if (!receiver.wait_chunks(large, 1)) break;
    while (!receiver.is_complete(large) && next != smalls.end()) {
      const auto begin = std::chrono::steady_clock::now();
      receiver.ask(*next, Delivery::broadcast);
      if (!receiver.wait_complete(*next)) break;
      milliseconds.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
      ++next;
    }
    if (!receiver.wait_complete(large)) break;
  }
  return {.what = "600 B beside 50 MiB at 100 ms round trip, median of " + std::to_string(milliseconds.size()),
          .measured = median(milliseconds),
          .bar = 20 + kRoundTrip,
          .is_upper = true,
          .unit = "ms"};
}

Bar far_away(Site& site, Receiver& receiver, int rounds) {
  site.start_bridge({.round_trip_ms = 300});
  const auto figure = measure(site, receiver, {.size = 10 * kMiB, .rounds = rounds}, 300);
  return {.what = "10 MiB broadcast at 300 ms round trip",
          .measured = figure.bytes_per_second / 1e6,
          .bar = 8,
          .unit = "MB/s"};
}

void memory(Site& site, Receiver& receiver, std::vector<Bar>& bars) {
  site.start_bridge();
  // Idle is before the first request, when start-up has settled.
  std::uint64_t idle = 0;
  auto since = std::chrono::steady_clock::now();
  (void)support::wait_until(
      [&] {
        if (const auto now = site.bridge().memory_bytes(); now != idle) {
          idle = now;
          since = std::chrono::steady_clock::now();
        }
        return std::chrono::steady_clock::now() - since > std::chrono::seconds(3);
      },
      std::chrono::seconds(15));
  bars.push_back(
      {.what = "memory, idle", .measured = static_cast<double>(idle) / 1e6, .bar = 16, .is_upper = true, .unit = "MB"});
  std::uint64_t peak = 0;
  for (const bool is_cold : {true, false}) {
    for (const auto delivery : {Delivery::broadcast, Delivery::direct}) {
      const auto figure = measure(
          site, receiver, {.size = kLarge, .at_once = 8, .delivery = delivery, .is_cold = is_cold, .rounds = 1}, 0);
      peak = std::max(peak, figure.peak_bytes);
    }
  }
  bars.push_back({.what = "memory, peak of 8 x 50 MiB at once",
                  .measured = static_cast<double>(peak) / 1e6,
                  .bar = 64,
                  .is_upper = true,
                  .unit = "MB"});
}

}  // namespace

std::vector<Bar> measure_bars(Site& site, Receiver& receiver, int rounds, std::string_view only) {
  std::vector<Bar> bars;
  const auto is_wanted = [&](std::string_view name) { return only.empty() || only == name; };
  if (is_wanted("raw")) against_raw(site, receiver, rounds, bars);
  if (is_wanted("link")) bars.push_back(over_a_slow_link(site, receiver, rounds));
  if (is_wanted("small")) bars.push_back(small_and_cold(site, receiver, rounds));
  if (is_wanted("beside")) bars.push_back(small_beside_large(site, receiver, rounds));
  if (is_wanted("far")) bars.push_back(far_away(site, receiver, rounds));
  if (is_wanted("memory")) memory(site, receiver, bars);
  return bars;
}

void print_bars(const std::vector<Bar>& bars) {
  std::printf("\n| bar | measured | wanted | |\n|---|---|---|---|\n");
  for (const auto& bar : bars) {
    if (bar.is_skipped) {
      std::printf("| %s | | | skipped: %s |\n", bar.what.c_str(), bar.note.c_str());
      continue;
    }
    std::printf("| %s | %.2f %s | %s %g %s | %s |\n", bar.what.c_str(), bar.measured, bar.unit.c_str(),
                bar.is_upper ? "under" : "at least", bar.bar, bar.unit.c_str(), bar.is_met() ? "met" : "MISSED");
  }
}

void verify(Site& site, Receiver& receiver) {
  site.start_bridge();
  receiver.keep_bytes(true);
  constexpr std::uint64_t kSeed = 987'654;
  for (const std::uint64_t size : {std::uint64_t{600}, 10 * kMiB + 1}) {
    const std::string module = support::wasm_module(size, kSeed);
    const std::string name = site.push("verify" + std::to_string(size), module);
    for (const auto delivery : {Delivery::broadcast, Delivery::direct}) {
      const auto received = receiver.fetch({name}, delivery);
      if (!received.is_complete || receiver.bytes_of(name) != module)
        throw std::runtime_error("what arrived is not what was pushed: " + name);
    }
  }
  receiver.keep_bytes(false);
}

}  // namespace propeller::bench
