#include "observe/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/assert.hpp"

namespace propeller::observe {

namespace {

/// Prometheus writes infinities and NaN in its own way.
std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string escape(std::string_view text, bool is_label) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && is_label) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string braces(std::string_view labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds.begin(), bounds.end()) {
  ASSERT(bounds_.size() <= kBucketsMax);
  ASSERT(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  // A bucket holds what is less than or equal to its bound.
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, escape(value, true));
}

struct Metrics::Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> function;
};

struct Metrics::Family {
  std::string help;
  Kind kind;
  std::map<std::string, Series, std::less<>> series;  ///< by labels
};

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Series& Metrics::series(std::string_view name, std::string_view help, Kind kind, std::string_view labels) {
  auto family = families_.find(name);
  if (family == families_.end()) {
    family = families_.emplace(std::string(name), std::make_unique<Family>(std::string(help), kind)).first;
  }
  ASSERT(family->second->kind == kind);
  return family->second->series[std::string(labels)];
}

Counter& Metrics::counter(std::string_view name, std::string_view help, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  auto& found = series(name, help, Kind::counter, labels);
  if (!found.counter) found.counter = std::make_unique<Counter>();
  return *found.counter;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  auto& found = series(name, help, Kind::gauge, labels);
  if (!found.gauge) found.gauge = std::make_unique<Gauge>();
  return *found.gauge;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                              std::string_view labels) {
  const std::lock_guard lock(mutex_);
  auto& found = series(name, help, Kind::histogram, labels);
  if (!found.histogram) found.histogram = std::make_unique<Histogram>(bounds);
  return *found.histogram;
}

void Metrics::gauge_function(std::string_view name, std::string_view help, std::function<double()> value,
                             std::string_view labels) {
  const std::lock_guard lock(mutex_);
  series(name, help, Kind::gauge, labels).function = std::move(value);
}

void Metrics::counter_function(std::string_view name, std::string_view help, std::function<double()> value,
                               std::string_view labels) {
  const std::lock_guard lock(mutex_);
  series(name, help, Kind::counter, labels).function = std::move(value);
}

std::string Metrics::render() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  const auto to = std::back_inserter(out);
  const auto render_histogram = [&](std::string_view name, std::string_view labels, const Histogram& histogram) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= histogram.bounds_.size(); ++i) {
      count += histogram.counts_[i].load(std::memory_order_relaxed);
      const std::string bound = i < histogram.bounds_.size() ? number(histogram.bounds_[i]) : "+Inf";
      fmt::format_to(to, "{}_bucket{} {}\n", name, braces(labels, label("le", bound)), count);
    }
    fmt::format_to(to, "{}_sum{} {}\n", name, braces(labels), number(histogram.sum_.load(std::memory_order_relaxed)));
    fmt::format_to(to, "{}_count{} {}\n", name, braces(labels), count);
  };
  for (const auto& [name, family] : families_) {
    static constexpr const char* kKinds[] = {"counter", "gauge", "histogram"};
    fmt::format_to(to, "# HELP {} {}\n# TYPE {} {}\n", name, escape(family->help, false), name,
                   kKinds[static_cast<std::size_t>(family->kind)]);
    for (const auto& [labels, series] : family->series) {
      if (series.function) {
        fmt::format_to(to, "{}{} {}\n", name, braces(labels), number(series.function()));
      } else if (series.counter) {
        fmt::format_to(to, "{}{} {}\n", name, braces(labels), series.counter->value());
      } else if (series.gauge) {
        fmt::format_to(to, "{}{} {}\n", name, braces(labels), series.gauge->value());
      } else if (series.histogram) {
        render_histogram(name, labels, *series.histogram);
      }
    }
  }
  return out;
}

}  // namespace propeller::observe
