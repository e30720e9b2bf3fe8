#pragma once

#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>

#include "async/core.hpp"
#include "base/secret.hpp"
#include "config/settings.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

/// Who we are to a registry; empty for anonymous.
struct Credentials {
  std::string username;
  Secret password;
  Secret identity_token;  ///< Docker's: an OAuth 2 refresh token, exchanged at the token realm
  Secret bearer;          ///< a ready token for the registry itself

  [[nodiscard]] bool empty() const { return username.empty() && identity_token.empty() && bearer.empty(); }
};

/// Tells logins apart, with all that is secret of them: for this process's memory alone. Empty for anonymous.
[[nodiscard]] std::string login_hash(const Credentials& credentials);

/// "Basic …" of user name and password. Source: RFC 7617
[[nodiscard]] std::string basic_authorization(const Credentials& credentials);

/// Finds the credentials for a registry: those of PROXY_REGISTRY_* for the configured registry's origin alone, else
/// what Docker's config.json or one of its helpers says about the host, else none. Plain http gets none, unless the
/// configured registry itself is plain http.
///
/// Bound:    answers of the Docker configuration are kept kKeptFor, for kHostsMax hosts.
/// Threads:  one core; files and helpers on a thread of its own, started when first needed.
class CredentialSource {
 public:
  static constexpr std::chrono::seconds kKeptFor{60};
  static constexpr std::size_t kHostsMax = 256;

  /// Lifetime: `settings` outlives it; the destructor ends a helper that runs.
  CredentialSource(const config::Registry& settings, Url configured);
  ~CredentialSource();
  CredentialSource(const CredentialSource&) = delete;
  CredentialSource& operator=(const CredentialSource&) = delete;

  [[nodiscard]] bool is_configured(const Url& registry) const { return registry.has_same_origin(configured_); }
  /// `registry`: any URL of it. Errors: unauthorized when the helper or the file fails.
  async::awaitable<Result<Credentials>> find(Url registry);
  /// The registry refused what find() said: ask anew next time.
  void forget(const Url& registry);

 private:
  struct Kept {
    Credentials credentials;
    std::chrono::steady_clock::time_point until;
  };
  const config::Registry& settings_;
  Url configured_;
  std::unordered_map<std::string, Kept> kept_;  ///< by authority
  std::optional<async::asio::thread_pool> pool_;
  std::stop_source stop_;
};

}  // namespace propeller::registry
