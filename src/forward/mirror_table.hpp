#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/forward_settings.hpp"
#include "config/settings.hpp"
#include "forward/rate_limit.hpp"
#include "forward/registry_path.hpp"
#include "http/uri.hpp"
#include "net/client_tls.hpp"
#include "registry/url.hpp"

namespace propeller::forward {

/// A registry that the mirror asks, ready for use.
struct MirrorRegistry {
  std::string name;                          ///< as registry::docker_key() has it
  http::Uri origin;                          ///< of its root, "/"
  std::string prefix;                        ///< in front of repositories; empty, or without slashes at either end
  std::shared_ptr<net::ClientTls> tls = {};  ///< null: the usual one
  config::Registry login = {};               ///< the mirror's own credentials, as the registry client takes them
  registry::Url url = {};                    ///< the origin once more, as the registry client takes it
  mutable SharedRateLimit limit = {};

  [[nodiscard]] bool is_at(std::string_view host, std::uint16_t port) const {
    return origin.host == host && origin.port == port;
  }
  [[nodiscard]] bool has_credentials() const { return login.is_authenticated || !login.docker_config.empty(); }
};

/// Which registry a request is for, and the path to ask it for.
struct MirrorChoice {
  const MirrorRegistry* registry = nullptr;
  RegistryPath path;
  bool is_default = true;  ///< nothing in the request names it
};

/// The registries of `mirror.upstreams`, by the names that clients use.
///
/// Errors:   create(): bad_config, naming the upstream.
/// Threads:  any; immutable but for the rate limits, which lock themselves.
class MirrorTable {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const MirrorTable>> create(const config::Mirror& settings,
                                                                         const config::ForwardTls& tls);

  /// docker.io, index.docker.io and registry-1.docker.io are one. Null when there is none of that name.
  [[nodiscard]] const MirrorRegistry* find(std::string_view name) const;
  /// The one that is asked there ("host", "host:port"). Null when there is none.
  [[nodiscard]] const MirrorRegistry* find_at(std::string_view authority) const;
  /// By `ns`, which is a key into this table and nothing else; by the first segment of the repository, where that is a
  /// name of the table; else the default one. Repositories of one segment of docker.io are in `library/`.
  /// Errors: not_found, with the name to configure.
  [[nodiscard]] Result<MirrorChoice> choose(RegistryPath path, const std::optional<std::string>& ns) const;
  [[nodiscard]] const std::vector<std::unique_ptr<const MirrorRegistry>>& all() const { return registries_; }

 private:
  [[nodiscard]] static Result<std::unique_ptr<const MirrorRegistry>> made_of(const config::MirrorUpstream& settings,
                                                                             const config::ForwardTls& tls);

  std::vector<std::unique_ptr<const MirrorRegistry>> registries_;
  const MirrorRegistry* default_ = nullptr;
};

}  // namespace propeller::forward
