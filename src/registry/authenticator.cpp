#include "registry/authenticator.hpp"

#include <optional>

#include "registry/retry.hpp"

namespace propeller::registry {

namespace {

using Clock = std::chrono::steady_clock;

std::string key_of(const Url& registry, const std::string& repository) {
  return registry.scheme + "://" + registry.authority() + "/" + repository;
}

std::unexpected<Failure> unauthorized(std::string detail) {
  return give_up(Code::unauthorized, Origin::upstream, std::move(detail));
}

// Docker's identity tokens are OAuth 2 refresh tokens: posted as a form, never part of a URL.
SendRequest token_request(const Url& realm, const TokenKey& key, const Credentials& credentials) {
  SendRequest request{.url = realm,
                      .pointer = Pointer::request,
                      .authorization = {},
                      .header_lines = {"Accept: application/json"},
                      .form = {}};
  request.must_stay_encrypted = true;
  if (!credentials.identity_token.empty()) {
    request.form = "grant_type=refresh_token&client_id=propeller-proxy&" + token_parameters(key) +
                   "&refresh_token=" + percent_encode(credentials.identity_token.reveal());
    return request;
  }
  const char separator = realm.text.find('?') == std::string::npos ? '?' : '&';
  request.url.text += separator + token_parameters(key);
  if (!credentials.username.empty()) request.authorization = basic_authorization(credentials);
  return request;
}

}  // namespace

Authenticator::Authenticator(const config::Registry& settings, CredentialSource& credentials, Transport& transport)
    : settings_(settings), credentials_(credentials), transport_(transport) {}

void Authenticator::remember(const std::string& key, Way way) {
  if (const auto place = places_.find(key); place != places_.end()) {
    place->second->way = std::move(way);
    remembered_.splice(remembered_.begin(), remembered_, place->second);
    return;
  }
  if (remembered_.size() == kRepositoriesMax) {
    places_.erase(remembered_.back().key);
    remembered_.pop_back();
  }
  remembered_.push_front({key, std::move(way)});
  places_.emplace(key, remembered_.begin());
}

async::awaitable<Attempt<std::string>> Authenticator::prepare(Url registry, std::string repository) {
  if (credentials_.is_configured(registry) && settings_.is_authenticated && !settings_.token.empty()) {
    if (!is_token_usable(settings_.token.reveal()))
      co_return unauthorized("PROXY_REGISTRY_TOKEN has characters that no token has");
    co_return "Bearer " + settings_.token.reveal();
  }
  const auto place = places_.find(key_of(registry, repository));
  if (place == places_.end()) co_return std::string{};
  const Way way = place->second->way;
  if (std::holds_alternative<Basic>(way)) co_return co_await basic(registry);
  co_return co_await bearer(registry, std::get<TokenKey>(way));
}

async::awaitable<Attempt<std::string>> Authenticator::answer(Url registry, std::string repository,
                                                             std::vector<Challenge> challenges, std::string refused) {
  const std::string where = registry.authority();
  const std::string key = key_of(registry, repository);
  if (credentials_.is_configured(registry) && settings_.is_authenticated && !settings_.token.empty()) {
    co_return unauthorized(where + " refuses PROXY_REGISTRY_TOKEN");
  }
  const auto* challenge = find_challenge(challenges, "bearer");
  TokenKey token = challenge != nullptr ? token_key(*challenge, repository) : TokenKey{};
  if (challenge != nullptr && refused.starts_with("Bearer ")) {
    // Under the login that it was for, as long as that is known.
    if (const auto login = co_await credentials_.find(registry)) token.login = login_hash(*login);
    tokens_.drop(token, std::string_view(refused).substr(7));
  }
  if (!refused.empty()) credentials_.forget(registry);
  if (challenge != nullptr) {
    remember(key, token);
    co_return co_await bearer(registry, std::move(token));
  }
  if (find_challenge(challenges, "basic") != nullptr) {
    if (refused.starts_with("Basic ")) co_return unauthorized(where + " refuses the user name and password");
    remember(key, Basic{});
    auto authorization = co_await basic(registry);
    if (authorization && authorization->empty()) {
      co_return unauthorized(
          where +
          " wants a user name and password (PROXY_AUTHENTICATE, PROXY_REGISTRY_USERNAME, PROXY_REGISTRY_PASSWORD)");
    }
    co_return authorization;
  }
  co_return unauthorized(where + " wants a kind of authentication that is neither basic nor bearer");
}

async::awaitable<Attempt<std::string>> Authenticator::basic(Url registry) {
  auto credentials = co_await credentials_.find(registry);
  if (!credentials) co_return give_up(credentials.error());
  if (credentials->username.empty()) co_return std::string{};
  co_return basic_authorization(*credentials);
}

async::awaitable<Attempt<std::string>> Authenticator::bearer(Url registry, TokenKey key) {
  // The login first: whether one is configured tells the bridge what is everybody's.
  auto credentials = co_await credentials_.find(registry);
  if (!credentials) co_return give_up(credentials.error());
  key.login = login_hash(*credentials);
  if (auto token = tokens_.find(key, Clock::now())) co_return "Bearer " + token->reveal();
  if (!credentials->bearer.empty()) {
    if (!is_token_usable(credentials->bearer.reveal()))
      co_return unauthorized("the configured registry token has characters that no token has");
    co_return "Bearer " + credentials->bearer.reveal();
  }
  auto token = co_await fetch_token(registry, key, std::move(*credentials));
  if (!token) co_return std::unexpected(token.error());
  std::string authorization = "Bearer " + token->value.reveal();
  tokens_.put(key, std::move(*token));
  co_return authorization;
}

async::awaitable<Attempt<Token>> Authenticator::fetch_token(Url registry, TokenKey key, Credentials credentials) {
  const auto realm = parse_url(key.realm);
  if (!realm) co_return unauthorized(registry.authority() + " names no usable token server");
  const std::string where = realm->authority();
  if (registry.is_https() && !realm->is_https())
    co_return unauthorized(registry.authority() + " names a token server without encryption");
  SendRequest request = token_request(*realm, key, credentials);
  request.pointer = credentials_.is_configured(registry) ? Pointer::configured_registry : Pointer::other_registry;
  auto sent = co_await transport_.send(std::move(request));
  if (!sent) co_return std::unexpected(sent.error());
  Exchange& exchange = **sent;
  const int status = exchange.head().status;
  if (is_retryable_status(status)) {
    auto failure =
        try_again(Code::registry_unavailable, "the token server " + where + " answered " + std::to_string(status));
    failure.error().retry_after =
        parse_retry_after(exchange.head().field("retry-after"), std::chrono::system_clock::now());
    co_return failure;
  }
  if (status != 200) {
    credentials_.forget(registry);
    co_return unauthorized("the token server " + where + " answered " + std::to_string(status) +
                           (credentials.empty() ? " to an anonymous request" : " to the credentials"));
  }
  const auto document = co_await read_document(exchange, kTokenResponseBytesMax, settings_.first_byte_timeout);
  if (!document) co_return std::unexpected(document.error());
  auto token = parse_token_response(*document, Clock::now());
  if (!token) co_return give_up(token.error());
  co_return std::move(*token);
}

}  // namespace propeller::registry
