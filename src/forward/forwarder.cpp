#include "forward/forwarder.hpp"

#include <algorithm>
#include <array>

#include "forward/http_exchange.hpp"
#include "forward/proxy_status.hpp"
#include "forward/rewritten_request.hpp"
#include "forward/tag_lookup.hpp"
#include "http/forwarding.hpp"
#include "http/syntax.hpp"
#include "http/uri.hpp"
#include "net/relay.hpp"

namespace propeller::forward {

namespace {

/// Goes on with an upgraded connection: a WebSocket, say.
class UpgradedTunnel final : public http::Takeover {
 public:
  UpgradedTunnel(std::unique_ptr<net::Stream> upstream, std::chrono::milliseconds idle)
      : upstream_(std::move(upstream)), idle_(idle) {}

  async::awaitable<void> run(net::Stream& stream) override {
    net::RelayBytes bytes;
    (void)co_await net::relay(stream, *upstream_, {.idle_timeout = idle_}, bytes);
  }

 private:
  std::unique_ptr<net::Stream> upstream_;
  const std::chrono::milliseconds idle_;
};

/// What a header rule sets is mostly what gives access, whatever it is called.
bool may_be_secret(std::string_view name) {
  constexpr std::array<std::string_view, 5> kHarmless{"User-Agent", "Accept", "Accept-Language", "Accept-Encoding",
                                                      "Cache-Control"};
  return std::ranges::none_of(kHarmless, [&](auto other) { return http::equals_ignoring_case(name, other); });
}

Result<http::OutgoingRequest> outgoing(http::Request& request, const Target& target, const Policy& policy) {
  const auto& head = request.head();
  http::OutgoingRequest out{
      .method = std::string(head.method_name),
      .authority = target.claimed_authority.empty() ? target.authority() : target.claimed_authority,
      .path = head.path.empty() ? "/" : std::string(head.path),
      .fields = http::Fields(head.fields)};
  if (http::is_in_via(out.fields, policy.name))
    return fail(Code::bad_request, Origin::client, "this request has passed through here before: a loop");
  http::remove_hop_by_hop(out.fields);
  out.fields.remove("Host");
  const auto injection = policy.rules.apply(target.host, head.fields);
  for (const auto& change : injection.changes) {
    out.fields.set(change.name, change.value.reveal());
    if (may_be_secret(change.name)) out.secret_fields.emplace_back(change.name);
  }
  http::append_via(out.fields, head.version, policy.name);
  out.informational = &request;
  out.upgrade = std::string(http::requested_upgrade(head));
  if (request.has_body()) {
    out.body = request.take_body();
    out.tasks = &request.tasks();
  }
  return out;
}

/// To a request that came to count its way, and goes no further. Source: RFC 9110 section 7.6.2
http::Response answer_of_last_hop(http::Method method) {
  constexpr int kNoContent = 204, kMethodNotAllowed = 405;
  auto response =
      method == http::Method::options
          ? http::Response{.status = kNoContent}
          : http::text_response(kMethodNotAllowed, "propeller-proxy: TRACE ends here and is not answered\n");
  response.fields.add_view("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT");
  return response;
}

bool is_safe(http::Method method) {
  return method == http::Method::get || method == http::Method::head || method == http::Method::options ||
         method == http::Method::trace || method == http::Method::connect;
}

http::Response incoming(http::ClientResponse&& from, std::string_view name, std::chrono::milliseconds tunnel_idle) {
  const auto protocol = std::string(from.fields.find("Upgrade").value_or(""));
  auto upgraded = std::move(from.upgraded);
  auto response = relayed(std::move(from), name);
  if (upgraded) {
    response.fields.set("Upgrade", protocol);
    response.takeover = std::make_unique<UpgradedTunnel>(std::move(upgraded), tunnel_idle);
    response.body = nullptr;
  }
  return response;
}

}  // namespace

http::Response relayed(http::ClientResponse&& from, std::string_view name) {
  http::Response response{.status = from.status, .fields = std::move(from.fields), .body = std::move(from.body)};
  http::remove_hop_by_hop(response.fields);
  http::append_via(response.fields, from.version, name);
  return response;
}

std::string Target::authority() const { return http::authority_of(scheme, host, port); }

std::string Target::stored_authority() const {
  return claimed_authority.empty() ? authority() : authority() + " for " + claimed_authority;
}

http::Response error_response(const Error& error) {
  auto response = http::text_response(answer_for(error).status, "propeller-proxy: " + error.detail + "\n");
  response.fields.add("Proxy-Status", proxy_status(error));
  return response;
}

Forwarder::Forwarder(const async::asio::any_io_executor& executor, Parts parts)
    : client_(parts.client),
      content_client_(parts.content_client),
      tunnel_idle_(parts.tunnel_idle),
      store_(parts.store),
      counters_(parts.counters),
      figures_(parts.counters.hosts()),
      invalidations_(parts.invalidations),
      accepted_(parts.accepted),
      silent_(parts.silent),
      unfit_(parts.unfit) {
  if (store_ != nullptr) fills_.emplace(executor, *store_, counters_, invalidations_, accepted_);
}

async::awaitable<void> Forwarder::stop() {
  if (fills_) co_await fills_->stop();
}

CacheDecision Forwarder::decide(http::Request& request, const Target& target, const Policy& policy) const {
  const auto& head = request.head();
  if (!fills_ || !policy.cache || request.has_body() || !http::requested_upgrade(head).empty()) return {};
  const auto query = std::min(head.path.find('?'), head.path.size());
  const auto authority = target.stored_authority();
  CacheRequest asked{.method = head.method_name,
                     .scheme = target.scheme,
                     .authority = authority,
                     .path = head.path.substr(0, query),
                     .query = head.path.substr(std::min(query + 1, head.path.size())),
                     .fields = head.fields};
  auto decision = policy.cache->check_request(asked);
  const bool is_by_pattern =
      decision.may_look_up && decision.rules == CacheRules::content && !decision.digest.has_value();
  if (is_by_pattern && unfit_.contains(decision.key, std::chrono::steady_clock::now())) {
    asked.is_unfit = true;
    decision = policy.cache->check_request(asked);
  }
  // Nothing in the request says that a login was needed: the rules of HTTP would take it for everybody's.
  if (target.is_private && decision.rules != CacheRules::content) decision.may_look_up = false;
  if (target.is_private) decision.own_login = target.registry;
  return decision;
}

CacheParts Forwarder::cache_parts(const Policy& policy) {
  return {.client = client_,
          .content_client = content_client_,
          .store = *store_,
          .counters = counters_,
          .fills = *fills_,
          .invalidations = invalidations_,
          .unshared = unshared_,
          .unfit = unfit_,
          .silent = silent_,
          .accepted = accepted_,
          .name = policy.name};
}

/// Clients name hosts that are not there; these get no figures.
http::Response Forwarder::counted(http::Response response, CacheOutcome outcome, const http::Request& request,
                                  const Target& target) {
  constexpr int kServerErrors = 500;
  if (request.head().method != http::Method::get || response.status >= kServerErrors) return response;
  count(figures_.of(target.registry.empty() ? target.stored_authority() : target.registry), outcome, response);
  return response;
}

/// What a write has changed: the URL itself, and those of the same origin that the answer names.
/// Source: RFC 9111 section 4.4
async::awaitable<void> Forwarder::forget_changed(const http::Request& request, const Target& target,
                                                 const http::ClientResponse& answer) {
  if (!fills_ || is_safe(request.head().method) || answer.status < 200 || answer.status > 399) co_return;
  const auto origin = target.scheme + "://" + target.stored_authority();
  std::vector<std::string> changed{origin + std::string(request.head().path)};
  const auto base = http::parse_uri(target.scheme + "://" + target.authority() + std::string(request.head().path));
  for (const auto* name : {"Location", "Content-Location"}) {
    const auto value = answer.fields.find(name);
    const auto uri = base && value ? http::resolve_reference(*base, *value) : std::nullopt;
    if (uri && uri->scheme == target.scheme && uri->authority() == target.authority())
      changed.push_back(origin + uri->target);
  }
  for (auto& url : changed) {
    invalidations_.add(url);
    if (auto* backing = store_->backing()) backing->forget(url);
    co_await CachedResponses(*store_).forget(std::move(url));
  }
  co_await forget_what_names(*store_, origin, std::string(request.head().path));
}

/// A manifest by its tag is the content that the tag names.
async::awaitable<std::optional<http::Response>> Forwarder::answer_tag(http::Request& request,
                                                                      const CacheDecision& decision,
                                                                      const Target& target, const PolicyPtr& policy,
                                                                      const http::Destination& destination,
                                                                      const http::OutgoingRequest& out) {
  TagLookup tag(cache_parts(*policy), *policy->cache, request, decision);
  auto outcome = co_await tag.resolve(destination, out);
  if (auto* response = std::get_if<http::Response>(&outcome)) co_return std::move(*response);
  const auto* named = std::get_if<TagLookup::Named>(&outcome);
  if (named == nullptr) co_return std::nullopt;
  RewrittenRequest by_digest(request, path_by_digest(request.head().path, named->digest.to_string()));
  auto response = co_await forward(by_digest, target, policy);
  if (response.status == 404) {
    co_await tag.forget();
    co_return std::nullopt;
  }
  if (named->is_stale) response.fields.set("Cache-Status", "propeller-proxy; hit; detail=stale");
  co_return response;
}

/// What no path names by its digest.
async::awaitable<std::optional<http::Response>> Forwarder::answer_by_rules(http::Request& request,
                                                                           CacheDecision decision, const Target& target,
                                                                           const PolicyPtr& policy,
                                                                           const http::Destination& destination,
                                                                           const http::OutgoingRequest& out) {
  if (decision.is_tag) {
    if (auto answered = co_await answer_tag(request, decision, target, policy, destination, out)) co_return answered;
  }
  if (!decision.may_look_up) co_return std::nullopt;
  HttpExchange exchange(cache_parts(*policy), *policy->cache, request, std::move(decision));
  auto answered = co_await exchange.answer(destination, out);
  if (!answered) co_return std::nullopt;
  co_return counted(std::move(*answered), exchange.outcome(), request, target);
}

async::awaitable<http::Response> Forwarder::forward(http::Request& request, Target target, PolicyPtr policy) {
  const auto verdict = target.registry.empty() ? policy->access.check_host(target.host, target.port)
                                               : policy->access.check_configured_host(target.host);
  if (!verdict.is_allowed) co_return error_response({Code::not_allowed, Origin::client, std::string(verdict.reason)});
  auto decision = decide(request, target, *policy);
  if (decision.may_look_up && decision.rules == CacheRules::content) {
    if (auto hit = hit_at_once(cache_parts(*policy), decision, request))
      co_return counted(std::move(*hit), CacheOutcome::hit, request, target);
  }
  co_return co_await look_further(request, std::move(target), std::move(policy), std::move(decision));
}

/// Into the store where that takes a wait, and upstream. A coroutine of its own, for what it holds is much and no hit
/// needs it.
async::awaitable<http::Response> Forwarder::look_further(http::Request& request, Target target, PolicyPtr policy,
                                                         CacheDecision decision) {
  const bool is_asked = decision.may_look_up;
  std::optional<CachedExchange> content;
  if (decision.may_look_up && decision.rules == CacheRules::content) {
    content.emplace(cache_parts(*policy), *policy->cache, request, decision);
    if (auto hit = co_await content->look_up()) co_return counted(std::move(*hit), CacheOutcome::hit, request, target);
  }
  auto out = outgoing(request, target, *policy);
  if (!out) co_return error_response(out.error());
  const auto forwards = http::count_max_forwards(request.head().method, out->fields);
  if (forwards == http::Forwards::answer) co_return answer_of_last_hop(request.head().method);
  if (forwards == http::Forwards::invalid)
    co_return error_response({Code::bad_request, Origin::client, "Max-Forwards is no number"});
  http::Destination destination{
      .scheme = target.scheme, .host = target.host, .port = target.port, .tls_profile = target.registry};
  if (!out->upgrade.empty()) destination.http2 = http::Http2Use::never;
  if (content) {
    if (auto shared = co_await content->share(destination, *out))
      co_return counted(std::move(*shared), content->outcome(), request, target);
  } else if (decision.is_tag || decision.may_look_up) {
    if (auto kept = co_await answer_by_rules(request, std::move(decision), target, policy, destination, *out))
      co_return std::move(*kept);
  }
  auto answer = co_await client_.send(destination, *out);
  if (!answer) co_return error_response(answer.error());
  co_await forget_changed(request, target, *answer);
  auto response = incoming(std::move(*answer), policy->name, tunnel_idle_);
  co_return is_asked ? counted(std::move(response), CacheOutcome::miss, request, target) : std::move(response);
}

}  // namespace propeller::forward
