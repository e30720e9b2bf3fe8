#include "net/address.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace propeller::net {

namespace ip = boost::asio::ip;

namespace {

struct Range {
  const char* network;
  unsigned prefix_bits;
  AddressKind kind;
};

// IANA special-purpose registries (RFC 6890 and its updates), and the metadata services that do not live in them.
constexpr std::array kRangesV4{
    Range{"168.63.129.16", 32, AddressKind::is_link_local},    // Azure's wire server
    Range{"100.100.100.200", 32, AddressKind::is_link_local},  // Alibaba's metadata
    Range{"192.0.0.192", 32, AddressKind::is_link_local},      // Oracle's metadata
    Range{"127.0.0.0", 8, AddressKind::is_loopback},
    Range{"10.0.0.0", 8, AddressKind::is_private},
    Range{"172.16.0.0", 12, AddressKind::is_private},
    Range{"192.168.0.0", 16, AddressKind::is_private},
    Range{"100.64.0.0", 10, AddressKind::is_private},
    Range{"169.254.0.0", 16, AddressKind::is_link_local},
    Range{"0.0.0.0", 8, AddressKind::is_reserved},
    Range{"192.0.0.0", 24, AddressKind::is_reserved},
    Range{"192.0.2.0", 24, AddressKind::is_reserved},
    Range{"198.18.0.0", 15, AddressKind::is_reserved},
    Range{"198.51.100.0", 24, AddressKind::is_reserved},
    Range{"203.0.113.0", 24, AddressKind::is_reserved},
    Range{"224.0.0.0", 4, AddressKind::is_reserved},
    Range{"240.0.0.0", 4, AddressKind::is_reserved},
};
constexpr std::array kRangesV6{
    Range{"::1", 128, AddressKind::is_loopback},
    Range{"::", 128, AddressKind::is_reserved},
    Range{"fd00:ec2::254", 128, AddressKind::is_link_local},  // Amazon's metadata
    Range{"fc00::", 7, AddressKind::is_private},
    Range{"fec0::", 10, AddressKind::is_private},
    Range{"fe80::", 10, AddressKind::is_link_local},
    Range{"ff00::", 8, AddressKind::is_reserved},
    Range{"2001::", 23, AddressKind::is_reserved},
    Range{"2001:db8::", 32, AddressKind::is_reserved},
    Range{"100::", 64, AddressKind::is_reserved},
    Range{"64:ff9b:1::", 48, AddressKind::is_private},
};

template <class Bytes>
bool has_prefix(const Bytes& address, const Bytes& network, unsigned bits) {
  for (std::size_t i = 0; i < address.size() && bits > 0; ++i) {
    const unsigned taken = std::min(bits, 8u);
    const unsigned mask = (0xff00u >> taken) & 0xffu;
    if ((address[i] & mask) != (network[i] & mask)) return false;
    bits -= taken;
  }
  return true;
}

ip::address_v4 v4_at(const ip::address_v6::bytes_type& bytes, std::size_t at) {
  return ip::address_v4({bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

}  // namespace

bool is_within(const ip::address& address, const ip::address& network, unsigned bits) {
  if (address.is_v4() != network.is_v4()) return false;
  if (address.is_v4()) return has_prefix(address.to_v4().to_bytes(), network.to_v4().to_bytes(), bits);
  return has_prefix(address.to_v6().to_bytes(), network.to_v6().to_bytes(), bits);
}

ip::address embedded_v4(const ip::address& address) {
  if (address.is_v4()) return address;
  const auto bytes = address.to_v6().to_bytes();
  const auto is_zero = [&](std::size_t from, std::size_t to) {
    return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes.begin() + static_cast<std::ptrdiff_t>(to), [](unsigned char byte) { return byte == 0; });
  };
  if (is_zero(0, 10) && bytes[10] == 0xff && bytes[11] == 0xff) return v4_at(bytes, 12);
  if (is_zero(0, 12) && !is_zero(12, 15)) return v4_at(bytes, 12);
  if (bytes[0] == 0x00 && bytes[1] == 0x64 && bytes[2] == 0xff && bytes[3] == 0x9b && is_zero(4, 12))
    return v4_at(bytes, 12);
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return v4_at(bytes, 2);
  return address;
}

AddressKind classify(const ip::address& given) {
  const auto address = embedded_v4(given);
  const auto judge = [&](const auto& ranges) {
    for (const auto& range : ranges) {
      if (is_within(address, ip::make_address(range.network), range.prefix_bits)) return range.kind;
    }
    return AddressKind::is_public;
  };
  return address.is_v4() ? judge(kRangesV4) : judge(kRangesV6);
}

std::optional<ip::address> address_of(const sockaddr& raw) {
  if (raw.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &raw, sizeof v6);
    ip::address_v6::bytes_type bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return ip::make_address_v6(bytes, v6.sin6_scope_id);
  }
  if (raw.sa_family != AF_INET) return std::nullopt;
  sockaddr_in v4{};
  std::memcpy(&v4, &raw, sizeof v4);
  return ip::make_address_v4(ntohl(v4.sin_addr.s_addr));
}

std::vector<ip::address> machine_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(list, &::freeifaddrs);
  std::vector<ip::address> addresses;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (const auto address = address_of(*at->ifa_addr)) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace propeller::net
