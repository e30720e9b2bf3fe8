#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace propeller::device {

/// How far a download is.
struct Progress {
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> bytes_total;
  std::uint64_t chunks = 0, chunks_total = 0;  ///< total 0: not known yet
  std::string what;                            ///< "waiting for the broker", "receiving" …
};

/// Turns progress into a line of text: with a bar for terminals, without for logs.
///
/// The rate is that of the last seconds, not of the whole, so that the time left follows a link that changes.
class ProgressMeter {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  void update(const Progress& progress, time_point now);
  /// At most `columns` wide, without a line end.
  [[nodiscard]] std::string bar(std::size_t columns) const;
  [[nodiscard]] std::string line() const;

 private:
  [[nodiscard]] std::optional<double> fraction() const;
  [[nodiscard]] std::string numbers() const;

  Progress progress_;
  std::optional<time_point> measured_at_;
  std::uint64_t measured_bytes_ = 0;
  double bytes_per_second_ = 0;
};

}  // namespace propeller::device
