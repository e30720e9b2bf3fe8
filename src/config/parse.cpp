#include "config/parse.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <numeric>

namespace propeller::config {

namespace {

constexpr std::size_t kShownBytesMax = 200;
constexpr std::size_t kTopicLevelBytesMax = 128;
constexpr std::size_t kHostBytesMax = 253;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kHostBytesMax || text.front() == '.' || text.front() == '-') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_digit(c) || is_letter(c) || c == '.' || c == '-' || c == '_'; });
}

bool is_port(std::string_view text) {
  const auto port = parse_number(text);
  return port && *port >= 1 && *port <= 65535;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double millis;
  };
  // Longest first: "ms" before "m".
  static constexpr std::array<Unit, 8> kUnits{{{"ns", 1e-6},
                                               {"us", 1e-3},
                                               {"\xC2\xB5s", 1e-3},
                                               {"\xCE\xBCs", 1e-3},
                                               {"ms", 1},
                                               {"s", 1e3},
                                               {"m", 6e4},
                                               {"h", 3.6e6}}};
  constexpr double kLongest = 1e12;  // some thirty years: far from what a double or the clock cannot hold
  if (text.empty()) return std::nullopt;
  double total = 0;
  for (bool is_first = true; !text.empty(); is_first = false) {
    // from_chars would take "inf", "nan" and exponents too.
    const auto digits = static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; }) - text.begin());
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
    if (error != std::errc{} || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    if (text.empty()) {
      if (!is_first) return std::nullopt;
      total = number * 1e3;
      break;
    }
    const auto unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return text.starts_with(u.name); });
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += number * unit->millis;
  }
  if (total > kLongest) return std::nullopt;
  return std::chrono::milliseconds(std::llround(total));
}

std::string format_duration(std::chrono::milliseconds duration) {
  const auto millis = duration.count();
  if (millis % 1000 != 0) return fmt::format("{}ms", millis);
  const auto seconds = millis / 1000;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}m{}s", seconds / 60, seconds % 60);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  for (;;) {
    const auto comma = text.find(',');
    auto part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

bool is_ip_address(std::string_view text) {
  const std::string terminated(text);
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1;
}

bool is_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_ip_address(text.substr(1, close - 1))) return false;
    const auto rest = text.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const auto colon = text.find(':');
  return is_host_name(text.substr(0, colon)) && (colon == std::string_view::npos || is_port(text.substr(colon + 1)));
}

bool is_host_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.starts_with("*.")) return is_host_port(text.substr(2));
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_host_port(text) || is_ip_address(text);
  const auto address = text.substr(0, slash);
  const auto bits = parse_number(text.substr(slash + 1));
  return is_ip_address(address) && bits && *bits <= (address.find(':') == std::string_view::npos ? 32u : 128u);
}

bool is_topic_level(std::string_view text) {
  return !text.empty() && text.size() <= kTopicLevelBytesMax && std::none_of(text.begin(), text.end(), [](char c) {
    return c == '/' || c == '+' || c == '#' || c == '$' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

std::string mask_user_info(std::string_view value) {
  // The last one: a password that was not percent-encoded may hold any of "@/?#".
  const auto at = value.rfind('@');
  if (at == std::string_view::npos) return std::string(value);
  const auto scheme = value.find("://");
  const auto start = scheme == std::string_view::npos || scheme > at ? 0 : scheme + 3;
  return fmt::format("{}***{}", value.substr(0, start), value.substr(at));
}

std::string show_value(std::string_view value) {
  const std::string masked = mask_user_info(value);
  std::string out = "\"";
  for (const char c : std::string_view(masked).substr(0, kShownBytesMax)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + (masked.size() > kShownBytesMax ? "...\"" : "\"");
}

std::string_view suggest(std::string_view word, const std::vector<std::string_view>& candidates) {
  // A third of the letters may differ, and two letters of a short word; beyond that a suggestion is a guess.
  std::size_t best = std::max(word.size() / 3, word.size() < 4 ? std::size_t{1} : std::size_t{2}) + 1;
  std::string_view found;
  for (const auto candidate : candidates) {
    if (const auto distance = edit_distance(word, candidate); distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace propeller::config
