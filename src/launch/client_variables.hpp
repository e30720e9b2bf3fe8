#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

/// What makes programs use the proxy and trust its authority: variables of their environment. Pure text.
namespace propeller::launch {

/// Where the proxy is, for a client.
struct ProxyAccess {
  std::string url;          ///< "http://127.0.0.1:17080"
  std::string certificate;  ///< file of our authority alone; empty: none
  std::string bundle;       ///< file of the system's authorities and ours; empty: none
  std::string no_proxy;     ///< the client's own list, which ours is added to
};

/// Name and value.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in both cases, and where programs look for authorities: our
/// certificate for those that add it to their own list, the bundle for those that replace theirs.
/// Source: forward-proxy reference, 1.8
[[nodiscard]] Variables client_variables(const ProxyAccess& access);

enum class VariableFormat {
  sh,       ///< `export NAME='value'`, for eval
  fish,     ///< `set -gx NAME 'value'`, for source
  systemd,  ///< a drop-in: [Service] and one Environment= each
  docker,   ///< a file for --env-file, where nothing is quoted
};

/// By its name in lower case.
[[nodiscard]] std::optional<VariableFormat> variable_format(std::string_view name);

/// One variable a line. Errors: bad_config, when a value has a character that the form cannot hold (a line end for
/// docker, a zero byte for all).
[[nodiscard]] Result<std::string> render(const Variables& variables, VariableFormat format);

}  // namespace propeller::launch
