#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "base/secret.hpp"
#include "registry/challenge.hpp"

namespace propeller::registry {

/// What a token is good for: the realm that gives it out, the service and scope that the registry named; and whose it
/// is, so that none outlives the login that it was given for.
struct TokenKey {
  std::string realm;
  std::string service;
  std::string scope;
  std::string login = {};  ///< login_hash(); not known of a challenge alone

  friend bool operator==(const TokenKey&, const TokenKey&) = default;
};

/// Of a bearer challenge; without a scope that of pulling from `repository`.
[[nodiscard]] TokenKey token_key(const Challenge& challenge, std::string_view repository);

/// "service=…&scope=…" for the realm's query or form.
[[nodiscard]] std::string token_parameters(const TokenKey& key);

struct Token {
  Secret value;
  std::chrono::steady_clock::time_point expires_at;
};

inline constexpr std::size_t kTokenResponseBytesMax = 64 * 1024;
inline constexpr std::size_t kTokenBytesMax = 16 * 1024;

/// Takes a token server's answer apart: `token` or `access_token`, `expires_in` (60 s unless given); it expires a tenth
/// early, so that it does not on its way. Errors: unauthorized.
/// Source: distribution-spec's token authentication, RFC 6749 5.1
[[nodiscard]] Result<Token> parse_token_response(std::string_view json, std::chrono::steady_clock::time_point now);

/// A token that may stand in a header field: visible ASCII, not too long.
[[nodiscard]] bool is_token_usable(std::string_view token);

/// Tokens until they expire.
///
/// Bound:    kTokensMax; the one least recently used goes first.
/// Threads:  one.
class TokenCache {
 public:
  static constexpr std::size_t kTokensMax = 1024;

  [[nodiscard]] std::optional<Secret> find(const TokenKey& key, std::chrono::steady_clock::time_point now);
  void put(const TokenKey& key, Token token);
  /// Forgets the token if it is `value`: the registry refused it.
  void drop(const TokenKey& key, std::string_view value);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const TokenKey& key) const;
  };
  struct Entry {
    TokenKey key;
    Token token;
  };
  std::list<Entry> entries_;  ///< used last in front
  std::unordered_map<TokenKey, std::list<Entry>::iterator, Hash> places_;
};

}  // namespace propeller::registry
