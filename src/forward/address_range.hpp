#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::forward {

using boost::asio::ip::address;

/// An address, or the addresses that share its first bits. An IPv4 address inside an IPv6 one (::ffff:1.2.3.4) is that
/// IPv4 address.
class AddressRange {
 public:
  /// `text` is well formed, as config::is_address_or_range() says; else nothing.
  [[nodiscard]] static std::optional<AddressRange> parse(std::string_view text);

  [[nodiscard]] bool contains(const address& one) const;
  /// One address, not several.
  [[nodiscard]] bool is_single() const { return bits_ == (network_.is_v4() ? 32U : 128U); }

 private:
  AddressRange(address network, unsigned bits) : network_(std::move(network)), bits_(bits) {}

  address network_;
  unsigned bits_;
};

/// Skips what is not well formed.
[[nodiscard]] std::vector<AddressRange> parse_ranges(const std::vector<std::string>& texts);
[[nodiscard]] bool contains(const std::vector<AddressRange>& ranges, const address& one);

/// The IPv4 address of a mapped IPv6 one, else the address itself.
[[nodiscard]] address unmapped(const address& one);

/// The address that a host literally is: IPv4, IPv6 with or without zone, and what the C library takes for IPv4 too
/// ("127.1", "0x7f000001", "2130706433"). Nothing for a name.
[[nodiscard]] std::optional<address> literal_address(std::string_view host);

}  // namespace propeller::forward
