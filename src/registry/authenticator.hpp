#pragma once

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "async/core.hpp"
#include "config/settings.hpp"
#include "registry/challenge.hpp"
#include "registry/credentials.hpp"
#include "registry/failure.hpp"
#include "registry/token.hpp"
#include "registry/transport.hpp"

namespace propeller::registry {

/// Makes the Authorization that a registry wants: basic, a bearer token from the realm it names, or the configured
/// token. It remembers how each repository wanted it, so that a later request takes no 401 on its way.
///
/// Bound:    kRepositoriesMax remembered, tokens as in TokenCache.
/// Errors:   unauthorized; what the realm's request can fail with.
/// Threads:  one core.
/// Source:   RFC 6750, RFC 7617, distribution's token specification
class Authenticator {
 public:
  static constexpr std::size_t kRepositoriesMax = 1024;

  /// Lifetime: all outlive it.
  Authenticator(const config::Registry& settings, CredentialSource& credentials, Transport& transport);

  /// What to send before the registry has asked: empty when nothing is known.
  async::awaitable<Attempt<std::string>> prepare(Url registry, std::string repository);

  /// What to send after the registry's 401 with these challenges. `refused` is what was sent, or empty.
  async::awaitable<Attempt<std::string>> answer(Url registry, std::string repository, std::vector<Challenge> challenges,
                                                std::string refused);

 private:
  struct Basic {};
  using Way = std::variant<Basic, TokenKey>;
  struct Remembered {
    std::string key;
    Way way;
  };

  async::awaitable<Attempt<std::string>> bearer(Url registry, TokenKey key);
  async::awaitable<Attempt<std::string>> basic(Url registry);
  async::awaitable<Attempt<Token>> fetch_token(Url registry, TokenKey key, Credentials credentials);
  void remember(const std::string& key, Way way);

  const config::Registry& settings_;
  CredentialSource& credentials_;
  Transport& transport_;
  TokenCache tokens_;
  std::list<Remembered> remembered_;  ///< newest in front
  std::unordered_map<std::string, std::list<Remembered>::iterator> places_;
};

}  // namespace propeller::registry
