#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forward/address_range.hpp"

namespace propeller::forward {

/// Hosts that are reached without the upstream proxy: "*", "host" and ".domain" (that name and everything below it),
/// "*.domain" (only below), an address, a range; each but a range with an optional ":port".
///
/// Threads: any; immutable.
/// Source:  what curl, Go and Python make of NO_PROXY, where they agree
class NoProxy {
 public:
  NoProxy() = default;
  /// The entries are well formed, as the loader checked.
  explicit NoProxy(const std::vector<std::string>& entries);

  /// `host` as host_of() gives it.
  [[nodiscard]] bool matches(std::string_view host, std::uint16_t port) const;

 private:
  struct Name {
    std::string name;
    bool is_itself_in;  ///< not only what is below it
    std::optional<std::uint16_t> port;
  };
  struct Address {
    AddressRange range;
    std::optional<std::uint16_t> port;
  };

  bool is_everything_ = false;
  std::vector<Name> names_;
  std::vector<Address> addresses_;
};

}  // namespace propeller::forward
