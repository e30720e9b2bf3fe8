#include "http/date.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "http/syntax.hpp"

namespace propeller::http {

namespace {

using std::chrono::sys_seconds;

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Takes the text up to `end` off; nothing when it is not there.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
  const auto found = text.find(end);
  if (found == std::string_view::npos) return std::nullopt;
  const auto taken = text.substr(0, found);
  text.remove_prefix(found + 1);
  return taken;
}

std::optional<int> digits(std::string_view text, std::size_t count) {
  const auto value = text.size() == count ? parse_decimal(text) : std::nullopt;
  return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

struct CivilDate {
  std::optional<int> day, year;
  std::string_view month;
};

/// "08:49:37"; 60 seconds are a leap second.
std::optional<std::chrono::seconds> parse_clock(std::string_view text) {
  if (text.size() != 8 || text[2] != ':' || text[5] != ':') return std::nullopt;
  const auto hour = digits(text.substr(0, 2), 2);
  const auto minute = digits(text.substr(3, 2), 2);
  const auto second = digits(text.substr(6, 2), 2);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

std::optional<sys_seconds> made_of(const CivilDate& date, std::string_view clock) {
  const auto* const month =
      std::ranges::find_if(kMonths, [&](std::string_view name) { return equals_ignoring_case(name, date.month); });
  const auto time = parse_clock(clock);
  if (!date.day || !date.year || month == kMonths.end() || !time) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year(*date.year),
                                        std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
                                        std::chrono::day(static_cast<unsigned>(*date.day))};
  return day.ok() ? std::optional(std::chrono::sys_days(day) + *time) : std::nullopt;
}

/// "06 Nov 1994 08:49:37 GMT" or, between hyphens, "06-Nov-94 08:49:37 GMT".
std::optional<sys_seconds> parse_gmt(std::string_view text, char between, std::chrono::year this_year) {
  const auto day = take_until(text, between);
  const auto month = take_until(text, between);
  const auto year = take_until(text, ' ');
  const auto clock = take_until(text, ' ');
  if (!day || !month || !year || !clock || !equals_ignoring_case(text, "GMT")) return std::nullopt;
  const bool is_short = between == '-';
  CivilDate date{.day = digits(*day, 2), .year = digits(*year, is_short ? 2 : 4), .month = *month};
  if (is_short && date.year) {
    const int now = static_cast<int>(this_year);
    *date.year += now - now % 100;
    if (*date.year > now + 50) *date.year -= 100;
  }
  return made_of(date, *clock);
}

/// "Nov  6 08:49:37 1994".
std::optional<sys_seconds> parse_asctime(std::string_view text) {
  if (text.size() != 20 || text[3] != ' ' || text[6] != ' ' || text[15] != ' ') return std::nullopt;
  const auto day = text[4] == ' ' ? digits(text.substr(5, 1), 1) : digits(text.substr(4, 2), 2);
  return made_of({.day = day, .year = digits(text.substr(16), 4), .month = text.substr(0, 3)}, text.substr(7, 8));
}

}  // namespace

std::optional<sys_seconds> parse_date(std::string_view text, sys_seconds now) {
  const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
  const auto comma = text.find(", ");
  if (comma == 3) return parse_gmt(text.substr(5), ' ', today.year());
  if (comma != std::string_view::npos) return parse_gmt(text.substr(comma + 2), '-', today.year());
  return text.size() > 4 && text[3] == ' ' ? parse_asctime(text.substr(4)) : std::nullopt;
}

void write_date(std::chrono::sys_seconds time, std::array<char, kDateBytes>& text) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  fmt::format_to_n(text.data(), text.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                   kDays[std::chrono::weekday(midnight).c_encoding()], static_cast<unsigned>(date.day()),
                   kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                   clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string_view DateClock::now() {
  const auto second = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (second != second_) {
    second_ = second;
    write_date(second, text_);
  }
  return {text_.data(), text_.size()};
}

}  // namespace propeller::http
