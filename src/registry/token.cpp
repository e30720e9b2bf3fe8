#include "registry/token.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "registry/json.hpp"
#include "registry/url.hpp"

namespace propeller::registry {

namespace {

constexpr std::chrono::seconds kLifeDefault{60};
constexpr std::int64_t kLifeSecondsMax = 24 * 60 * 60;

}  // namespace

TokenKey token_key(const Challenge& challenge, std::string_view repository) {
  TokenKey key{.realm = std::string(challenge.parameter("realm")),
               .service = std::string(challenge.parameter("service")),
               .scope = std::string(challenge.parameter("scope"))};
  if (key.scope.empty()) key.scope = "repository:" + std::string(repository) + ":pull";
  return key;
}

std::string token_parameters(const TokenKey& key) {
  std::string text;
  if (!key.service.empty()) text += "service=" + percent_encode(key.service) + "&";
  return text + "scope=" + percent_encode(key.scope);
}

bool is_token_usable(std::string_view token) {
  return !token.empty() && token.size() <= kTokenBytesMax &&
         std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<Token> parse_token_response(std::string_view text, std::chrono::steady_clock::time_point now) {
  const auto document = parse_json(text, Code::unauthorized, "the token server's answer");
  if (!document) return std::unexpected(document.error());
  auto value = string_at(*document, "token");
  if (value.empty()) value = string_at(*document, "access_token");
  if (!is_token_usable(value))
    return fail(Code::unauthorized, Origin::upstream, "the token server gave no usable token");
  std::chrono::seconds life = kLifeDefault;
  if (const auto expires_in = document->find("expires_in"); expires_in != document->end() && expires_in->is_number()) {
    // As a floating-point number first: an integer type would overflow before it could be clipped.
    life = std::chrono::seconds(
        static_cast<std::int64_t>(std::clamp(expires_in->get<double>(), 0.0, static_cast<double>(kLifeSecondsMax))));
  }
  return Token{.value = Secret(std::string(value)), .expires_at = now + life * 9 / 10};
}

std::size_t TokenCache::Hash::operator()(const TokenKey& key) const {
  const std::hash<std::string> hash;
  return ((hash(key.realm) * 31 + hash(key.service)) * 31 + hash(key.scope)) * 31 + hash(key.login);
}

std::optional<Secret> TokenCache::find(const TokenKey& key, std::chrono::steady_clock::time_point now) {
  const auto place = places_.find(key);
  if (place == places_.end()) return std::nullopt;
  if (place->second->token.expires_at <= now) {
    entries_.erase(place->second);
    places_.erase(place);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->token.value;
}

void TokenCache::put(const TokenKey& key, Token token) {
  if (const auto place = places_.find(key); place != places_.end()) {
    place->second->token = std::move(token);
    entries_.splice(entries_.begin(), entries_, place->second);
    return;
  }
  if (entries_.size() == kTokensMax) {
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(token)});
  places_.emplace(key, entries_.begin());
}

void TokenCache::drop(const TokenKey& key, std::string_view value) {
  const auto place = places_.find(key);
  if (place == places_.end() || place->second->token.value.reveal() != value) return;
  entries_.erase(place->second);
  places_.erase(place);
}

}  // namespace propeller::registry
