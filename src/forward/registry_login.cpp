#include "forward/registry_login.hpp"

#include <fmt/format.h>

#include "registry/challenge.hpp"

namespace propeller::forward {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kOk = 200;

std::unexpected<Error> unauthorized(std::string detail) {
  return fail(Code::unauthorized, Origin::upstream, std::move(detail));
}

// Docker's identity tokens are OAuth 2 refresh tokens: posted as a form, never part of a URL.
http::OutgoingRequest token_request(const http::Uri& realm, const registry::TokenKey& key,
                                    const registry::Credentials& credentials, async::TaskGroup& tasks) {
  http::OutgoingRequest request{.authority = realm.authority(), .path = realm.target};
  request.fields.add_view("Accept", "application/json");
  if (!credentials.identity_token.empty()) {
    request.method = "POST";
    request.fields.add_view("Content-Type", "application/x-www-form-urlencoded");
    request.body = std::make_unique<http::MemoryBody>(
        "grant_type=refresh_token&client_id=propeller-proxy&" + registry::token_parameters(key) +
        "&refresh_token=" + registry::percent_encode(credentials.identity_token.reveal()));
    request.tasks = &tasks;
    return request;
  }
  request.path += (request.path.find('?') == std::string::npos ? '?' : '&') + registry::token_parameters(key);
  if (!credentials.username.empty()) request.fields.add("Authorization", registry::basic_authorization(credentials));
  return request;
}

}  // namespace

RegistryLogin::RegistryLogin(const async::asio::any_io_executor& executor, const MirrorRegistry& registry,
                             const RegistryHops& hops)
    : registry_(registry), hops_(hops), credentials_(registry.login, registry.url), forms_(executor) {}

async::awaitable<void> RegistryLogin::stop() {
  forms_.cancel();
  co_await forms_.join();
}

void RegistryLogin::remember(const std::string& repository, Way way) {
  if (ways_.size() >= kRepositoriesMax && !ways_.contains(repository)) ways_.clear();
  ways_.insert_or_assign(repository, std::move(way));
}

async::awaitable<Result<std::string>> RegistryLogin::prepare(std::string repository) {
  const auto known = ways_.find(repository);
  if (known == ways_.end()) co_return std::string();
  const Way way = known->second;
  if (const auto* key = std::get_if<registry::TokenKey>(&way)) co_return co_await bearer(*key);
  co_return co_await basic();
}

async::awaitable<Result<std::string>> RegistryLogin::answer(std::string repository, std::string challenge,
                                                            std::string refused) {
  const auto challenges = registry::parse_challenges(challenge);
  if (!challenges) co_return std::unexpected(challenges.error());
  if (!refused.empty()) credentials_.forget(registry_.url);
  if (const auto* wanted = registry::find_challenge(*challenges, "bearer")) {
    auto key = registry::token_key(*wanted, repository);
    if (refused.starts_with("Bearer ")) tokens_.drop(key, std::string_view(refused).substr(7));
    remember(repository, key);
    auto authorization = co_await bearer(std::move(key));
    co_return authorization && *authorization == refused ? Result<std::string>(std::string()) : authorization;
  }
  if (registry::find_challenge(*challenges, "basic") == nullptr || refused.starts_with("Basic "))
    co_return std::string();
  remember(repository, Basic{});
  co_return co_await basic();
}

async::awaitable<Result<std::string>> RegistryLogin::basic() {
  auto credentials = co_await credentials_.find(registry_.url);
  if (!credentials) co_return std::unexpected(credentials.error());
  if (credentials->username.empty()) co_return std::string();
  co_return registry::basic_authorization(*credentials);
}

async::awaitable<Result<std::string>> RegistryLogin::bearer(registry::TokenKey key) {
  if (const auto token = tokens_.find(key, Clock::now())) co_return "Bearer " + token->reveal();
  auto credentials = co_await credentials_.find(registry_.url);
  if (!credentials) co_return std::unexpected(credentials.error());
  if (!credentials->bearer.empty()) {
    if (!registry::is_token_usable(credentials->bearer.reveal()))
      co_return unauthorized("the configured token has characters that no token has");
    co_return "Bearer " + credentials->bearer.reveal();
  }
  auto token = co_await fetch_token(key, std::move(*credentials));
  if (!token) co_return std::unexpected(token.error());
  auto authorization = "Bearer " + token->value.reveal();
  tokens_.put(key, std::move(*token));
  co_return authorization;
}

async::awaitable<Result<registry::Token>> RegistryLogin::fetch_token(registry::TokenKey key,
                                                                     registry::Credentials credentials) {
  const auto realm = http::parse_uri(key.realm);
  if (!realm) co_return unauthorized("no usable token server is named");
  if (registry_.origin.scheme == "https" && realm->scheme != "https")
    co_return unauthorized("the token server that is named is without encryption");
  auto request = token_request(*realm, key, credentials, forms_);
  auto answer = co_await hops_.send(&registry_, *realm, request);
  if (!answer) co_return std::unexpected(answer.error());
  if (answer->status != kOk) {
    credentials_.forget(registry_.url);
    co_return unauthorized(fmt::format("the token server {} answered {}", realm->authority(), answer->status));
  }
  const auto text = co_await http::read_all(*answer->body, registry::kTokenResponseBytesMax);
  if (!text) co_return std::unexpected(text.error());
  co_return registry::parse_token_response(*text, Clock::now());
}

}  // namespace propeller::forward
