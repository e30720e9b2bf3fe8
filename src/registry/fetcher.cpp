#include "registry/fetcher.hpp"

#include "base/random.hpp"
#include "registry/challenge.hpp"
#include "registry/retry.hpp"
#include "registry/signal.hpp"

namespace propeller::registry {

Fetcher::Fetcher(const config::Registry& settings, const HostPolicy& policy, Authenticator& authenticator,
                 Transport& transport)
    : settings_(settings), policy_(policy), authenticator_(authenticator), transport_(transport) {}

void Fetcher::note(const std::string& registry, bool has_answered) {
  // Only the configured registry counts: a device that names a dead host must not make the bridge look unready.
  const auto url = parse_url(registry);
  if (!url || !policy_.is_configured(*url)) return;
  const std::lock_guard lock(liveness_mutex_);
  liveness_ = {.asked_at = std::chrono::steady_clock::now(), .has_answered = has_answered};
}

Liveness Fetcher::liveness() const {
  const std::lock_guard lock(liveness_mutex_);
  return liveness_;
}

async::awaitable<Attempt<std::unique_ptr<Exchange>>> Fetcher::attempt(FetchRequest request) {
  const std::string registry = request.registry;
  auto answer = co_await authenticated(std::move(request));
  const bool is_dead = !answer && (answer.error().error.code == Code::timeout ||
                                   answer.error().error.code == Code::registry_unavailable);
  note(registry, !is_dead);
  co_return answer;
}

async::awaitable<Attempt<std::unique_ptr<Exchange>>> Fetcher::authenticated(FetchRequest request) {
  const auto url = parse_url(request.registry + "/v2/" + request.repository + "/" + request.target);
  if (!url) co_return give_up(Code::bad_reference, Origin::client, "no URL can be made of " + request.what);
  if (auto allowed = policy_.check_name(*url, Pointer::request); !allowed) co_return give_up(allowed.error());

  auto authorization = co_await authenticator_.prepare(*url, request.repository);
  for (bool is_challenged = false;; is_challenged = true) {
    if (!authorization) co_return std::unexpected(authorization.error());
    auto sent = co_await transport_.send({.url = *url,
                                          .pointer = Pointer::request,
                                          .authorization = *authorization,
                                          .header_lines = request.header_lines,
                                          .form = {},
                                          .buffer_bytes = request.buffer_bytes});
    if (!sent) co_return std::unexpected(sent.error());
    Exchange& exchange = **sent;
    const int status = exchange.head().status;
    if (status == 200 || status == 206) co_return std::move(*sent);
    const bool is_from_registry = exchange.url().has_same_origin(*url);
    if (status != 401 || is_challenged || !is_from_registry) {
      auto failure = refusal(request, exchange);
      co_await exchange.drain();
      co_return std::unexpected(std::move(failure));
    }
    std::vector<Challenge> challenges;
    for (const auto& [name, value] : exchange.head().fields) {
      if (name != "www-authenticate") continue;
      auto parsed = parse_challenges(value);
      if (!parsed) co_return give_up(parsed.error());
      if (challenges.size() + parsed->size() > kChallengesMax) break;
      challenges.insert(challenges.end(), parsed->begin(), parsed->end());
    }
    co_await exchange.drain();
    sent->reset();
    authorization = co_await authenticator_.answer(*url, request.repository, std::move(challenges), *authorization);
  }
}

Failure Fetcher::refusal(const FetchRequest& request, const Exchange& exchange) const {
  const int status = exchange.head().status;
  const std::string where = exchange.url().authority();
  const auto final_with = [](Code code, Origin origin, std::string detail) {
    return Failure{.error = {code, origin, std::move(detail)}, .is_retryable = false, .retry_after = {}};
  };
  switch (status) {
    case 401: return final_with(Code::unauthorized, Origin::upstream, where + " refuses access to the " + request.what);
    case 403: return final_with(Code::unauthorized, Origin::upstream, where + " forbids access to the " + request.what);
    case 404: return final_with(Code::not_found, Origin::client, where + " has no " + request.what);
    default: break;
  }
  auto failure = final_with(Code::registry_unavailable, Origin::upstream,
                            where + " answered " + std::to_string(status) + " for the " + request.what);
  failure.is_retryable = is_retryable_status(status);
  failure.status = status;
  failure.retry_after = parse_retry_after(exchange.head().field("retry-after"), std::chrono::system_clock::now());
  return failure;
}

async::awaitable<bool> Fetcher::pause_before_retry(Failure failure, Attempts attempts, OnRetry on_retry) {
  if (!failure.is_retryable || attempts.count >= settings_.attempts_max) co_return false;
  const auto pause = retry_pause(attempts.count, base::random_unit(), failure.retry_after);
  const auto again_at = std::chrono::steady_clock::now() + pause;
  if (again_at - attempts.since > kRetryTimeMax) co_return false;
  retries_.fetch_add(1, std::memory_order_relaxed);
  if (on_retry) on_retry({.why = failure.error, .attempt = attempts.count, .pause = pause});
  Signal never(co_await async::asio::this_coro::executor);
  co_await never.wait_until(again_at);
  co_return true;
}

}  // namespace propeller::registry
