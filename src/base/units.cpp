#include "base/units.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <limits>

namespace propeller::base {

Result<std::uint64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  static constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                                {"b", 1},
                                                {"k", kKiB},
                                                {"kb", 1000},
                                                {"kib", kKiB},
                                                {"m", kMiB},
                                                {"mb", 1'000'000},
                                                {"mib", kMiB},
                                                {"g", kGiB},
                                                {"gb", 1'000'000'000},
                                                {"gib", kGiB},
                                                {"t", 1024 * kGiB},
                                                {"tb", 1'000'000'000'000},
                                                {"tib", 1024 * kGiB}}};
  const auto wrong = [&] {
    return fail(Code::bad_config, Origin::client, "expected a number of bytes such as 512000, 64MiB or 2GiB");
  };
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return wrong();
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::string unit(text);
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& known : kUnits) {
    if (known.name != unit) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / known.bytes) return wrong();
    return number * known.bytes;
  }
  return wrong();
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < kKiB) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 4> kNames{"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / kKiB;
  std::size_t name = 0;
  while (value >= 1024 && name + 1 < kNames.size()) value /= 1024, ++name;
  return fmt::format("{:.1f} {}", value, kNames[name]);
}

}  // namespace propeller::base
