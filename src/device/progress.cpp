#include "device/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.hpp"

namespace propeller::device {

namespace {

constexpr double kMeasureSeconds = 0.5;
constexpr double kSmoothing = 0.4;             // of the newest half second
constexpr double kSecondsLeftMax = 24 * 3600;  // more is a guess about a link that stands still
constexpr std::size_t kBarColumnsMax = 40, kBarColumnsMin = 10;

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

}  // namespace

void ProgressMeter::update(const Progress& progress, time_point now) {
  progress_ = progress;
  // Begun anew, or the first time: what was resumed is no achievement of this second.
  if (!measured_at_ || progress.bytes < measured_bytes_) {
    measured_at_ = now;
    measured_bytes_ = progress.bytes;
    return;
  }
  const double seconds = std::chrono::duration<double>(now - *measured_at_).count();
  if (seconds < kMeasureSeconds) return;
  const double rate = static_cast<double>(progress.bytes - measured_bytes_) / seconds;
  bytes_per_second_ = bytes_per_second_ == 0 ? rate : kSmoothing * rate + (1 - kSmoothing) * bytes_per_second_;
  measured_at_ = now;
  measured_bytes_ = progress.bytes;
}

std::optional<double> ProgressMeter::fraction() const {
  if (progress_.bytes_total && *progress_.bytes_total > 0) {
    return std::min(1.0, static_cast<double>(progress_.bytes) / static_cast<double>(*progress_.bytes_total));
  }
  if (progress_.chunks_total == 0) return std::nullopt;
  return static_cast<double>(progress_.chunks) / static_cast<double>(progress_.chunks_total);
}

std::string ProgressMeter::numbers() const {
  if (progress_.bytes == 0) return {};
  std::string text = fmt::format(" {}", base::format_bytes(progress_.bytes));
  if (progress_.bytes_total) text += fmt::format(" of {}", base::format_bytes(*progress_.bytes_total));
  if (bytes_per_second_ < 1) return text;
  text += fmt::format(" {}/s", base::format_bytes(static_cast<std::uint64_t>(bytes_per_second_)));
  const auto done = fraction();
  if (done && *done > 0 && *done < 1) {
    const double total = static_cast<double>(progress_.bytes) / *done;
    const double seconds_left = (total - static_cast<double>(progress_.bytes)) / bytes_per_second_;
    if (seconds_left < kSecondsLeftMax) text += fmt::format(" {} left", duration_text(seconds_left));
  }
  return text;
}

std::string ProgressMeter::line() const {
  const auto done = fraction();
  return fmt::format("{}{}{}", progress_.what, done ? fmt::format(" {}%", static_cast<int>(*done * 100)) : "",
                     numbers());
}

std::string ProgressMeter::bar(std::size_t columns) const {
  const auto done = fraction();
  std::string text = line();
  if (done && columns > text.size() + kBarColumnsMin + 3) {
    const std::size_t width = std::min(kBarColumnsMax, columns - text.size() - 3);
    const auto filled = static_cast<std::size_t>(*done * static_cast<double>(width));
    text = fmt::format("[{}{}] {}", std::string(filled, '#'), std::string(width - filled, '.'), text);
  }
  return text.substr(0, columns);
}

}  // namespace propeller::device
