#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

/// Who made us turn to a host: the policy trusts them differently.
enum class Pointer {
  request,              ///< a device named it
  configured_registry,  ///< redirect or token realm of the registry in PROXY_REGISTRY_URL
  other_registry,       ///< redirect or token realm of any other
};

/// Which hosts may be asked (PROXY_REGISTRY_ALLOW), judged by name before DNS and by every address that is dialled.
///
/// The configured registry and listed hosts: always, whatever their address. Without a list, or with "*" in it: any
/// public address too. With a list: what a request names has to be on it. Redirects and token realms may go to any
/// public address, those of the configured registry to private and loopback addresses as well (not to link-local ones).
/// Through an HTTP proxy it is the proxy that resolves names, and no address can be judged: names that are not listed
/// then have to look public as well.
///
/// Bound:   config::kAllowedHostsMax entries.
/// Threads: any; immutable.
class HostPolicy {
 public:
  /// `allow`: "host", "host:port", "*.example.org", "*.example.org:5000", an address, a CIDR block, or "*".
  /// Errors: bad_config.
  [[nodiscard]] static Result<HostPolicy> make(const Url& configured, const std::vector<std::string>& allow,
                                               bool is_through_proxy = false);

  [[nodiscard]] bool is_configured(const Url& url) const;
  /// Errors: not_allowed.
  [[nodiscard]] Result<void> check_name(const Url& url, Pointer pointer) const;
  [[nodiscard]] bool allows_address(const boost::asio::ip::address& address, const Url& url, Pointer pointer) const;

 private:
  struct HostEntry {
    std::string host;  ///< without "*." when is_wildcard
    bool is_wildcard = false;
    std::optional<std::uint16_t> port;
  };
  struct Block {
    boost::asio::ip::address network;
    unsigned prefix_bits = 0;
  };

  Result<void> add(std::string_view entry);
  [[nodiscard]] bool is_listed(const Url& url) const;
  [[nodiscard]] bool is_in_blocks(const boost::asio::ip::address& address) const;

  Url configured_;
  std::vector<HostEntry> hosts_;
  std::vector<Block> blocks_;
  bool allows_public_ = true;
  bool is_through_proxy_ = false;
};

/// A name that public DNS could have: two labels at least, the last one neither numeric nor kept for private use
/// (RFC 6761, 6762, 8375, and ICANN's .internal).
[[nodiscard]] bool looks_public(std::string_view host);

}  // namespace propeller::registry
