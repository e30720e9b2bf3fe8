#include "registry/host_policy.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "config/settings.hpp"
#include "net/address.hpp"

namespace propeller::registry {

namespace ip = boost::asio::ip;

namespace {

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
  const auto address = net::embedded_v4(given);
  return std::ranges::any_of(blocks_, [&](const Block& block) {
    return net::is_within(address, net::embedded_v4(block.network), block.prefix_bits);
  });
}

Result<void> HostPolicy::check_name(const Url& url, Pointer pointer) const {
  if (is_listed(url)) return {};
  if (const auto address = parse_address(url.host)) {
    if (allows_address(*address, url, pointer)) return {};
    return refused(url, net::classify(*address) == net::AddressKind::is_public
                            ? "it is not listed"
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
  const auto kind = net::classify(address);
  switch (pointer) {
    case Pointer::request: return allows_public_ && kind == net::AddressKind::is_public;
    case Pointer::other_registry: return kind == net::AddressKind::is_public;
    case Pointer::configured_registry:
      return kind == net::AddressKind::is_public || kind == net::AddressKind::is_private ||
             kind == net::AddressKind::is_loopback;
  }
  return false;
}

}  // namespace propeller::registry
