#pragma once

#include <memory>
#include <string>
#include <vector>

#include "forward/access.hpp"
#include "forward/address_range.hpp"
#include "forward/cache_matcher.hpp"
#include "forward/header_rules.hpp"
#include "forward/host_pattern.hpp"
#include "forward/users.hpp"

namespace propeller::forward {

/// What decides about requests. Immutable: a reload makes another one, and a request keeps the one it began with.
struct Policy {
  std::string name;  ///< in Via: of this proxy and no other, so that two in a row are no loop
  Access access;
  HeaderRules rules;
  HostPatterns passthrough;                        ///< hosts whose TLS is not intercepted
  std::shared_ptr<const Users> users;              ///< null: nobody has to log in
  std::vector<AddressRange> proxy_protocol = {};   ///< whose PROXY protocol head is believed
  bool is_passthrough_learned = false;             ///< also hosts whose clients refused our certificate
  std::shared_ptr<const CacheMatcher> cache = {};  ///< null: nothing is kept
};

using PolicyPtr = std::shared_ptr<const Policy>;

}  // namespace propeller::forward
