#include "registry/host_policy.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "config/settings.hpp"

namespace propeller::registry {

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

bool is_within(const ip::address& address, const ip::address& network, unsigned bits) {
  if (address.is_v4() != network.is_v4()) return false;
  if (address.is_v4()) return has_prefix(address.to_v4().to_bytes(), network.to_v4().to_bytes(), bits);
  return has_prefix(address.to_v6().to_bytes(), network.to_v6().to_bytes(), bits);
}

ip::address_v4 v4_at(const ip::address_v6::bytes_type& bytes, std::size_t at) {
  return ip::address_v4({bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

// The IPv4 address that a packet to this IPv6 address ends at: mapped, compatible, NAT64 (64:ff9b::/96), 6to4.
ip::address unwrap(const ip::address& address) {
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

std::optional<ip::address> parse_address(std::string_view text) {
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

bool is_localhost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host == "localhost" || host.ends_with(".localhost");
}

std::unexpected<Error> refused(const Url& url, std::string_view why) {
  return fail(Code::not_allowed, Origin::client,
              "the host " + url.authority() + " may not be asked: " + std::string(why) + " (PROXY_REGISTRY_ALLOW)");
}

}  // namespace

AddressKind classify(const ip::address& given) {
  const auto address = unwrap(given);
  const auto judge = [&](const auto& ranges) {
    for (const auto& range : ranges) {
      if (is_within(address, ip::make_address(range.network), range.prefix_bits)) return range.kind;
    }
    return AddressKind::is_public;
  };
  return address.is_v4() ? judge(kRangesV4) : judge(kRangesV6);
}

bool looks_public(std::string_view host) {
  static constexpr std::array<std::string_view, 12> kPrivate{"local",    "localhost", "localdomain", "internal",
                                                             "intranet", "private",   "corp",        "home",
                                                             "lan",      "test",      "invalid",     "home.arpa"};
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto dot = host.rfind('.');
  if (dot == host.npos || dot == 0) return false;
  const auto last = host.substr(dot + 1);
  if (last.empty() || (last.front() >= '0' && last.front() <= '9')) return false;
  return std::ranges::none_of(kPrivate, [&](std::string_view name) {
    return host.ends_with(name) && host.size() > name.size() && host[host.size() - name.size() - 1] == '.';
  });
}

Result<HostPolicy> HostPolicy::make(const Url& configured, const std::vector<std::string>& allow,
                                    bool is_through_proxy) {
  HostPolicy policy;
  policy.configured_ = configured;
  policy.allows_public_ = allow.empty();
  policy.is_through_proxy_ = is_through_proxy;
  if (allow.size() > config::kAllowedHostsMax) {
    return fail(Code::bad_config, Origin::client,
                "PROXY_REGISTRY_ALLOW has more than " + std::to_string(config::kAllowedHostsMax) + " entries");
  }
  for (const auto& entry : allow) {
    if (auto added = policy.add(entry); !added) return std::unexpected(added.error());
  }
  return policy;
}

Result<void> HostPolicy::add(std::string_view entry) {
  const auto wrong = [&] {
    return fail(Code::bad_config, Origin::client,
                "PROXY_REGISTRY_ALLOW: '" + std::string(entry.substr(0, 80)) +
                    "' is no host[:port], *.domain[:port], address, CIDR block or *");
  };
  if (entry == "*") {
    allows_public_ = true;
    return {};
  }
  if (const auto slash = entry.find('/'); slash != entry.npos) {
    const auto network = parse_address(entry.substr(0, slash));
    if (!network) return wrong();
    const auto bits = parse_number(entry.substr(slash + 1), network->is_v4() ? 32 : 128);
    if (!bits) return wrong();
    blocks_.push_back({*network, *bits});
    return {};
  }
  HostEntry host;
  std::string_view name = entry;
  if (name.starts_with("*.")) {
    host.is_wildcard = true;
    name.remove_prefix(2);
  }
  const bool is_bare_v6 = std::ranges::count(name, ':') > 1 && !name.starts_with('[');
  const std::string text = "http://" + (is_bare_v6 ? "[" + std::string(name) + "]" : std::string(name));
  const auto url = parse_url(text);
  if (!url || name.find('*') != name.npos) return wrong();
  host.host = url->host;
  if (const auto after = name.rfind(']'); !is_bare_v6 && name.find(':', after == name.npos ? 0 : after) != name.npos)
    host.port = url->port;
  hosts_.push_back(std::move(host));
  return {};
}

bool HostPolicy::is_configured(const Url& url) const {
  return url.host == configured_.host && url.port == configured_.port;
}

bool HostPolicy::is_listed(const Url& url) const {
  if (is_configured(url)) return true;
  return std::ranges::any_of(hosts_, [&](const HostEntry& entry) {
    if (entry.port && *entry.port != url.port) return false;
    if (!entry.is_wildcard) return url.host == entry.host;
    return url.host.size() > entry.host.size() + 1 && url.host.ends_with(entry.host) &&
           url.host[url.host.size() - entry.host.size() - 1] == '.';
  });
}

bool HostPolicy::is_in_blocks(const ip::address& given) const {
  const auto address = unwrap(given);
  return std::ranges::any_of(
      blocks_, [&](const Block& block) { return is_within(address, unwrap(block.network), block.prefix_bits); });
}

Result<void> HostPolicy::check_name(const Url& url, Pointer pointer) const {
  if (is_listed(url)) return {};
  if (const auto address = parse_address(url.host)) {
    if (allows_address(*address, url, pointer)) return {};
    return refused(url, classify(*address) == AddressKind::is_public ? "it is not listed"
                                                                     : "it is not a public address and not listed");
  }
  if (pointer == Pointer::configured_registry) return {};
  if (is_through_proxy_ && !looks_public(url.host))
    return refused(url,
                   "its name is not a public one, it is not listed, and behind PROXY_REGISTRY_PROXY its address is "
                   "not known");
  // Names that are not listed may still resolve into a listed block.
  if (!blocks_.empty()) return {};
  if (is_localhost(url.host)) return refused(url, "it is this machine and not listed");
  if (pointer == Pointer::request && !allows_public_) return refused(url, "it is not listed");
  return {};
}

bool HostPolicy::allows_address(const ip::address& address, const Url& url, Pointer pointer) const {
  if (is_listed(url) || is_in_blocks(address)) return true;
  const auto kind = classify(address);
  switch (pointer) {
    case Pointer::request: return allows_public_ && kind == AddressKind::is_public;
    case Pointer::other_registry: return kind == AddressKind::is_public;
    case Pointer::configured_registry:
      return kind == AddressKind::is_public || kind == AddressKind::is_private || kind == AddressKind::is_loopback;
  }
  return false;
}

}  // namespace propeller::registry
