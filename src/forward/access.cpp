#include "forward/access.hpp"

#include <algorithm>

#include "net/address.hpp"

namespace propeller::forward {

namespace {

constexpr Verdict kAllowed{};
constexpr Verdict kNotListed{.is_allowed = false, .reason = "the host is not on the allow-list"};
constexpr Verdict kAddressNotListed{.is_allowed = false, .reason = "the address is not on the allow-list"};
constexpr Verdict kLoopback{.is_allowed = false, .reason = "the address is the proxy's own machine"};
constexpr Verdict kLinkLocal{.is_allowed = false, .reason = "the address is link-local or a metadata service"};
constexpr Verdict kReserved{.is_allowed = false, .reason = "the address is reserved, no host has it"};
constexpr Verdict kOwnPort{.is_allowed = false, .reason = "the target is the proxy itself"};

Verdict judge(const address& target) {
  using net::AddressKind;
  switch (net::classify(target)) {
    case AddressKind::is_public:
    case AddressKind::is_private: return kAllowed;
    case AddressKind::is_loopback: return kLoopback;
    case AddressKind::is_link_local: return kLinkLocal;
    case AddressKind::is_reserved: return kReserved;
  }
  return kReserved;
}

}  // namespace

AllowList::AllowList(const config::AllowList& settings)
    : is_enabled_(settings.is_enabled), domains_(settings.domains), ranges_(parse_ranges(settings.ips)) {}

Verdict AllowList::check(std::string_view host) const {
  if (!is_enabled_) return kAllowed;
  if (const auto literal = literal_address(host)) return contains(ranges_, *literal) ? kAllowed : kAddressNotListed;
  return domains_.matches(host) ? kAllowed : kNotListed;
}

TargetGuard::TargetGuard(const TargetGuardOptions& options)
    : allowed_(parse_ranges(options.allow_targets)), machine_(options.machine_addresses) {
  std::ranges::copy_if(allowed_, std::back_inserter(allowed_single_), &AddressRange::is_single);
  for (const auto& endpoint : options.own) {
    if (const auto at = literal_address(endpoint.address)) own_.push_back({unmapped(*at), endpoint.port});
  }
}

bool TargetGuard::is_own(const address& target, std::uint16_t port) const {
  return std::ranges::any_of(own_, [&](const Own& own) {
    if (own.port != port) return false;
    if (own.at == target) return true;
    // A wildcard listener is reached through every address of the machine, an address of 0.0.0.0 through loopback.
    const bool is_machine =
        target.is_loopback() || target.is_unspecified() || std::ranges::find(machine_, target) != machine_.end();
    return own.at.is_unspecified() ? is_machine : target.is_unspecified() && own.at.is_loopback();
  });
}

Verdict TargetGuard::check_configured(const address& given, std::uint16_t port) const {
  const auto target = unmapped(given);
  return is_own(target, port) && !contains(allowed_single_, target) ? kOwnPort : kAllowed;
}

Verdict TargetGuard::check(const address& given, std::uint16_t port) const {
  const auto target = unmapped(given);
  if (is_own(target, port)) return contains(allowed_single_, target) ? kAllowed : kOwnPort;
  const auto verdict = judge(target);
  return verdict.is_allowed || contains(allowed_, target) ? kAllowed : verdict;
}

Verdict Access::check_host(std::string_view host, std::uint16_t port) const {
  if (const auto listed = list_.check(host); !listed.is_allowed) return listed;
  const auto literal = literal_address(host);
  return literal ? guard_.check(*literal, port) : kAllowed;
}

}  // namespace propeller::forward
