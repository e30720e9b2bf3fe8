#include "base/timestamp.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace propeller::base {

namespace {

using Text = std::array<char, 20>;

void put_digits(Text& text, std::size_t begin, std::size_t end, std::uint64_t number) {
  for (; end > begin; number /= 10) text[--end] = static_cast<char>('0' + number % 10);
}

}  // namespace

// By hand: every hit of the cache has one, and formatting took longer than looking the entry up.
Text timestamp(std::chrono::sys_seconds at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(at - day);
  Text text{};
  std::ranges::copy(std::string_view("0000-00-00T00:00:00Z"), text.begin());
  put_digits(text, 0, 4, static_cast<std::uint64_t>(static_cast<int>(date.year())));
  put_digits(text, 5, 7, static_cast<unsigned>(date.month()));
  put_digits(text, 8, 10, static_cast<unsigned>(date.day()));
  put_digits(text, 11, 13, static_cast<std::uint64_t>(clock.hours().count()));
  put_digits(text, 14, 16, static_cast<std::uint64_t>(clock.minutes().count()));
  put_digits(text, 17, 19, static_cast<std::uint64_t>(clock.seconds().count()));
  return text;
}

}  // namespace propeller::base
