#include "forward/address_range.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "net/address.hpp"

namespace propeller::forward {

namespace ip = boost::asio::ip;

namespace {

std::optional<address> parse_address(std::string_view text) {
  boost::system::error_code error;
  auto parsed = ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return parsed;
}

}  // namespace

address unmapped(const address& one) {
  if (one.is_v4() || !one.to_v6().is_v4_mapped()) return one;
  return ip::make_address_v4(ip::v4_mapped, one.to_v6());
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto network = parse_address(text.substr(0, slash));
  if (!network) return std::nullopt;
  const unsigned most = network->is_v4() ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || bits > most) return std::nullopt;
  }
  const auto plain = unmapped(*network);
  if (plain.is_v4() && network->is_v6()) {
    if (bits < 96) return AddressRange(*network, bits);
    bits -= 96;
  }
  return AddressRange(plain, bits);
}

bool AddressRange::contains(const address& one) const { return net::is_within(unmapped(one), network_, bits_); }

std::vector<AddressRange> parse_ranges(const std::vector<std::string>& texts) {
  std::vector<AddressRange> ranges;
  for (const auto& text : texts) {
    if (auto range = AddressRange::parse(text)) ranges.push_back(std::move(*range));
  }
  return ranges;
}

bool contains(const std::vector<AddressRange>& ranges, const address& one) {
  return std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(one); });
}

std::optional<address> literal_address(std::string_view host) {
  if (auto parsed = parse_address(host)) return parsed;
  const bool is_numeric = !host.empty() && host.find(':') == std::string_view::npos &&
                          host.find_first_not_of("0123456789abcdefABCDEFxX.") == std::string_view::npos;
  in_addr legacy{};
  if (!is_numeric || inet_aton(std::string(host).c_str(), &legacy) == 0) return std::nullopt;
  return ip::address_v4(ntohl(legacy.s_addr));
}

}  // namespace propeller::forward
