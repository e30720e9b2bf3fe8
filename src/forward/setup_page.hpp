#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/server.hpp"

namespace propeller::forward {

/// What a client is set up with: where it reaches us, and whom it has to trust.
struct SetupFacts {
  std::string authority;        ///< "site:17080"; checked to be one, so that it may stand in a script
  std::string certificate_pem;  ///< of our authority
};

/// `/ca.crt`, `/setup` and `/setup.sh`, which anybody may read: none of it is a secret. Nothing for other paths and
/// methods.
[[nodiscard]] std::optional<http::Response> setup_answer(const http::RequestHead& head, const SetupFacts& facts);

/// Prints what it did. With a directory as its argument it writes `ca.crt`, `bundle.crt` and `env.sh` there and nothing
/// else; without one it installs for the machine (root) or below ~/.config.
[[nodiscard]] std::string setup_script(const SetupFacts& facts);

}  // namespace propeller::forward
