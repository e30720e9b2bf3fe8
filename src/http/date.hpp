#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

namespace propeller::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT". Source: RFC 9110 section 5.6.7
inline constexpr std::size_t kDateBytes = 29;
void write_date(std::chrono::sys_seconds time, std::array<char, kDateBytes>& text);

/// A date in any of the three forms that RFC 9110 section 5.6.7 lets a recipient meet: IMF-fixdate, RFC 850 with a year
/// of two digits (read as within fifty years of `now`), asctime. Case does not count, the day of the week is not read.
/// Nothing for everything else.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_date(std::string_view text, std::chrono::sys_seconds now);

/// The date now, written once a second. Threads: one core.
class DateClock {
 public:
  /// Valid until the next call.
  [[nodiscard]] std::string_view now();

 private:
  std::chrono::sys_seconds second_{};
  std::array<char, kDateBytes> text_{};
};

}  // namespace propeller::http
