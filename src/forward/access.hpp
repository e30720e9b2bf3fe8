#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/forward_settings.hpp"
#include "forward/address_range.hpp"
#include "forward/host_pattern.hpp"

namespace propeller::forward {

/// Whether a target may be reached, and if not, why: a constant sentence for the answer and the log.
struct Verdict {
  bool is_allowed = true;
  std::string_view reason = {};

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// Which hosts clients may name. Names match only domains, literal addresses only addresses and ranges; enabled and
/// empty blocks everything, not enabled nothing.
///
/// Threads: any; immutable.
class AllowList {
 public:
  AllowList() = default;
  explicit AllowList(const config::AllowList& settings);

  /// `host` as host_of() gives it.
  [[nodiscard]] Verdict check(std::string_view host) const;

 private:
  bool is_enabled_ = false;
  HostPatterns domains_;
  std::vector<AddressRange> ranges_;
};

struct TargetGuardOptions {
  std::vector<std::string> allow_targets;
  std::vector<config::Endpoint> own;            ///< what this process listens on, ports as bound
  std::vector<address> machine_addresses = {};  ///< of all interfaces: a listener on 0.0.0.0 is reached through each
};

/// Which addresses are never dialled, whoever asks: this machine's loopback, link-local and metadata addresses, what no
/// network routes, and our own ports.
///
/// `allow_targets` opens what it contains; our own ports only where it names that one address, since a wide range is
/// meant for other services, and our API trusts this machine.
/// Threads: any; immutable.
class TargetGuard {
 public:
  TargetGuard() = default;
  explicit TargetGuard(const TargetGuardOptions& options);

  [[nodiscard]] Verdict check(const address& target, std::uint16_t port) const;
  /// Of a target that the configuration names, whose address may be any but our own ports.
  [[nodiscard]] Verdict check_configured(const address& target, std::uint16_t port) const;

 private:
  [[nodiscard]] bool is_own(const address& target, std::uint16_t port) const;

  struct Own {
    address at;
    std::uint16_t port;
  };
  std::vector<AddressRange> allowed_;
  std::vector<AddressRange> allowed_single_;
  std::vector<Own> own_;
  std::vector<address> machine_;
};

/// Both, in the order in which a request meets them.
class Access {
 public:
  Access(AllowList list, TargetGuard guard) : list_(std::move(list)), guard_(std::move(guard)) {}

  /// Before DNS; also all there is to check for a host that is an address.
  [[nodiscard]] Verdict check_host(std::string_view host, std::uint16_t port) const;
  /// Each resolved address, before it is dialled, and each destination of a datagram.
  [[nodiscard]] Verdict check_address(const address& target, std::uint16_t port) const {
    return guard_.check(target, port);
  }
  /// The same for hosts that the configuration names: the list holds for them too, the guard for our own ports alone.
  [[nodiscard]] Verdict check_configured_host(std::string_view host) const { return list_.check(host); }
  [[nodiscard]] Verdict check_configured_address(const address& target, std::uint16_t port) const {
    return guard_.check_configured(target, port);
  }

 private:
  AllowList list_;
  TargetGuard guard_;
};

}  // namespace propeller::forward
