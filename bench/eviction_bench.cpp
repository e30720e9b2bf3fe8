// How much of what a site asks for is in the cache, by policy and size: objects and bytes. Counted, not timed: the same
// figures on every machine.
//
// The trace is made: images whose popularity is Zipf's, each a manifest, a configuration and layers; the lower layers
// are shared between images, as base images are; and now and then a run of images that nobody asks for again, as a
// build or a scanner leaves them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <unordered_map>
#include <vector>

#include "store/lru.hpp"
#include "store/s3_fifo.hpp"
#include "store/sieve.hpp"

namespace {

using propeller::store::Slot;

struct Object {
  std::uint64_t name = 0;
  std::uint64_t bytes = 0;
};
using Trace = std::vector<Object>;

struct Ratios {
  double objects = 0;
  double bytes = 0;
};

constexpr std::uint64_t kMiB = 1024 * 1024;

/// A number below `count`; the first ones are drawn most often.
class Zipf {
 public:
  Zipf(std::size_t count, double skew) {
    std::vector<double> weights;
    for (std::size_t i = 1; i <= count; ++i) weights.push_back(1 / std::pow(static_cast<double>(i), skew));
    choice_ = std::discrete_distribution<std::size_t>(weights.begin(), weights.end());
  }
  std::size_t operator()(std::mt19937_64& random) { return choice_(random); }

 private:
  std::discrete_distribution<std::size_t> choice_;
};

class Site {
 public:
  static constexpr std::size_t kImages = 3000, kBases = 60, kPulls = 60'000;
  static constexpr std::size_t kScanEvery = 4000, kScanImages = 200;

  explicit Site(double skew) : popular_(kImages, skew), popular_base_(kBases, 1.0) {
    for (std::size_t i = 0; i < kBases; ++i) bases_.push_back({layer(80), layer(10), layer(2)});
    for (std::size_t i = 0; i < kImages; ++i) images_.push_back(image());
  }

  Trace pulls() {
    Trace trace;
    const auto pull = [&](const Trace& image) { trace.insert(trace.end(), image.begin(), image.end()); };
    for (std::size_t i = 1; i <= kPulls; ++i) {
      pull(images_[popular_(random_)]);
      for (std::size_t j = 0; i % kScanEvery == 0 && j < kScanImages; ++j) pull(image());
    }
    return trace;
  }

 private:
  /// Of that many MiB in the middle, some of them ten times as large and ten times as small.
  Object layer(double median_mib) {
    std::lognormal_distribution<double> size(std::log(median_mib), 1.2);
    return {++last_, std::clamp<std::uint64_t>(static_cast<std::uint64_t>(size(random_) * kMiB), 1000, 1024 * kMiB)};
  }
  Trace image() {
    std::uniform_int_distribution<std::uint64_t> small(1000, 8000);
    std::uniform_int_distribution<int> layers(1, 6);
    Trace parts{{++last_, small(random_)}, {++last_, small(random_)}};
    const auto& base = bases_[popular_base_(random_)];
    parts.insert(parts.end(), base.begin(), base.end());
    for (int left = layers(random_); left > 0; --left) parts.push_back(layer(1.5));
    return parts;
  }

  std::mt19937_64 random_{42};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same trace every time
  Zipf popular_, popular_base_;
  std::uint64_t last_ = 0;
  std::vector<Trace> bases_, images_;
};

std::uint64_t mixed(std::uint64_t name) { return name * 0x9E3779B97F4A7C15ULL; }

template <class Policy>
Ratios ratios_of(const Trace& trace, std::uint64_t bytes_max) {
  Policy policy(bytes_max);
  std::unordered_map<std::uint64_t, Slot> cached;
  std::vector<Object> held;
  std::vector<Slot> free;
  std::uint64_t used = 0, hits = 0, hit_bytes = 0, all_bytes = 0;
  const auto make_room = [&](std::uint64_t bytes) {
    while (used + bytes > bytes_max) {
      const auto slot = policy.victim();
      if (!slot) return false;
      used -= held[*slot].bytes;
      cached.erase(held[*slot].name);
      free.push_back(*slot);
    }
    return true;
  };
  for (const auto& object : trace) {
    all_bytes += object.bytes;
    if (const auto found = cached.find(object.name); found != cached.end()) {
      policy.touch(found->second);
      ++hits;
      hit_bytes += object.bytes;
      continue;
    }
    const bool fits = used + object.bytes <= bytes_max;
    if (object.bytes > bytes_max || (!fits && !policy.admits(mixed(object.name), object.bytes))) continue;
    if (!make_room(object.bytes)) continue;
    if (free.empty()) {
      free.push_back(static_cast<Slot>(held.size()));
      held.emplace_back();
    }
    const Slot slot = free.back();
    free.pop_back();
    policy.insert(slot, object.bytes, mixed(object.name), 0);
    cached[object.name] = slot;
    held[slot] = object;
    used += object.bytes;
  }
  return {.objects = static_cast<double>(hits) / static_cast<double>(trace.size()),
          .bytes = static_cast<double>(hit_bytes) / static_cast<double>(all_bytes)};
}

std::uint64_t unique_bytes(const Trace& trace) {
  std::map<std::uint64_t, std::uint64_t> sizes;
  for (const auto& object : trace) sizes[object.name] = object.bytes;
  std::uint64_t sum = 0;
  for (const auto& [name, bytes] : sizes) sum += bytes;
  return sum;
}

}  // namespace

int main() {
  using namespace propeller::store;
  fmt::print("eviction: hits, of objects / of bytes\n");
  bool is_better = true;
  for (const double skew : {0.7, 0.9, 1.1}) {
    const auto trace = Site(skew).pulls();
    const auto all = unique_bytes(trace);
    for (const int percent : {2, 5, 10, 20}) {
      const auto size = all / 100 * static_cast<std::uint64_t>(percent);
      const auto lru = ratios_of<Lru>(trace, size);
      const auto sieve = ratios_of<Sieve>(trace, size);
      const auto s3fifo = ratios_of<S3Fifo>(trace, size);
      fmt::print(
          "  Zipf {:.1f}, cache of {:2} % ({:4} GiB)   lru {:.3f} / {:.3f}   sieve {:.3f} / {:.3f}   s3fifo {:.3f} / "
          "{:.3f}\n",
          skew, percent, size / kMiB / 1024, lru.objects, lru.bytes, sieve.objects, sieve.bytes, s3fifo.objects,
          s3fifo.bytes);
      is_better = is_better && s3fifo.objects > lru.objects && s3fifo.bytes > lru.bytes;
    }
  }
  fmt::print("  bar: the default (s3fifo) beats lru in every row: {}\n", is_better ? "met" : "MISSED");
  return is_better ? 0 : 3;
}
