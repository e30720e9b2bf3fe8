#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "async/task_group.hpp"
#include "forward/registry_hops.hpp"
#include "registry/credentials.hpp"
#include "registry/token.hpp"

namespace propeller::forward {

/// Makes the Authorization that one registry wants of the mirror: a bearer token from the realm that it names, for
/// nobody or for the configured credentials, or those as they are. It remembers how each repository wanted it.
///
/// Bound:    kRepositoriesMax remembered; tokens as in registry::TokenCache, until they expire.
/// Errors:   unauthorized; what the realm's request can fail with.
/// Threads:  one core. Lifetime: `registry` and `hops` outlive it; stop() before the end.
/// Source:   RFC 6750, RFC 7617, distribution's token specification
class RegistryLogin {
 public:
  static constexpr std::size_t kRepositoriesMax = 1024;

  RegistryLogin(const async::asio::any_io_executor& executor, const MirrorRegistry& registry, const RegistryHops& hops);

  /// What to send before the registry has asked: empty when nothing is known.
  async::awaitable<Result<std::string>> prepare(std::string repository);
  /// What to send after a 401 with this WWW-Authenticate; `refused` is what was sent, or empty. Empty when there is
  /// nothing else to send.
  async::awaitable<Result<std::string>> answer(std::string repository, std::string challenge, std::string refused);
  async::awaitable<void> stop();

  [[nodiscard]] std::size_t repositories() const { return ways_.size(); }

 private:
  struct Basic {};
  using Way = std::variant<Basic, registry::TokenKey>;

  void remember(const std::string& repository, Way way);
  async::awaitable<Result<std::string>> basic();
  async::awaitable<Result<std::string>> bearer(registry::TokenKey key);
  async::awaitable<Result<registry::Token>> fetch_token(registry::TokenKey key, registry::Credentials credentials);

  const MirrorRegistry& registry_;
  const RegistryHops& hops_;
  registry::CredentialSource credentials_;
  registry::TokenCache tokens_;
  std::unordered_map<std::string, Way> ways_;  ///< by repository
  async::TaskGroup forms_;                     ///< bodies on their way to a token server
};

}  // namespace propeller::forward
