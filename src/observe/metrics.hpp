#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::observe {

/// Counts up. Threads: any.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Threads: any.
class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Observations in fixed buckets; lock-free. Threads: any.
class Histogram {
 public:
  static constexpr std::size_t kBucketsMax = 16;

  /// `bounds` are upper bounds in ascending order, at most kBucketsMax.
  explicit Histogram(std::span<const double> bounds);
  void observe(double value);

 private:
  friend class Metrics;
  std::vector<double> bounds_;
  std::array<std::atomic<std::uint64_t>, kBucketsMax + 1> counts_{};
  std::atomic<double> sum_{0};
};

/// `name="value"` with the value escaped; several are joined with a comma.
[[nodiscard]] std::string label(std::string_view name, std::string_view value);

/// Owns every metric of the process and renders them as Prometheus text (exposition format 0.0.4).
///
/// Bound:    what the code registers; label values come from closed lists, or are bounded by who registers them.
/// Threads:  registration at start-up from any; render() from any.
/// Lifetime: references stay valid as long as the Metrics.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// `labels` is empty or ready-made, such as `code="not_found"`. Same name and labels again: the same metric.
  Counter& counter(std::string_view name, std::string_view help, std::string_view labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, std::string_view labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                       std::string_view labels = {});
  /// A value that is computed when asked for.
  void gauge_function(std::string_view name, std::string_view help, std::function<double()> value,
                      std::string_view labels = {});
  /// As gauge_function(), for what only counts up.
  void counter_function(std::string_view name, std::string_view help, std::function<double()> value,
                        std::string_view labels = {});

  [[nodiscard]] std::string render() const;

 private:
  enum class Kind { counter, gauge, histogram };
  struct Series;
  struct Family;
  Series& series(std::string_view name, std::string_view help, Kind kind, std::string_view labels);

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
};

}  // namespace propeller::observe
