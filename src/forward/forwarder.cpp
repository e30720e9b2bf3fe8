#include "forward/forwarder.hpp"

#include <algorithm>

#include "forward/proxy_status.hpp"
#include "http/forwarding.hpp"
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
  for (const auto& change : injection.changes) out.fields.set(change.name, change.value.reveal());
  http::append_via(out.fields, head.version, policy.name);
  out.informational = &request;
  out.upgrade = std::string(http::requested_upgrade(head));
  if (request.has_body()) {
    out.body = request.take_body();
    out.tasks = &request.tasks();
  }
  return out;
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

std::string Target::authority() const {
  return http::Uri{.scheme = scheme, .host = host, .port = port, .target = "/"}.authority();
}

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
      connector_(parts.connector),
      tunnel_idle_(parts.tunnel_idle),
      store_(parts.store),
      counters_(parts.counters) {
  if (store_ != nullptr) fills_.emplace(executor, *store_, counters_);
}

async::awaitable<void> Forwarder::stop() {
  if (fills_) co_await fills_->stop();
}

std::optional<CachedExchange> Forwarder::cached(http::Request& request, const Target& target, const Policy& policy) {
  if (!fills_ || !policy.cache) return std::nullopt;
  const auto& head = request.head();
  const auto query = std::min(head.path.find('?'), head.path.size());
  auto decision = policy.cache->check_request({.method = head.method_name,
                                               .scheme = target.scheme,
                                               .authority = target.stored_authority(),
                                               .path = head.path.substr(0, query),
                                               .query = head.path.substr(std::min(query + 1, head.path.size())),
                                               .fields = head.fields});
  if (!decision.may_look_up || request.has_body() || !http::requested_upgrade(head).empty()) return std::nullopt;
  return std::optional<CachedExchange>(
      std::in_place,
      CacheParts{.client = client_, .store = *store_, .counters = counters_, .fills = *fills_, .name = policy.name},
      *policy.cache, request, std::move(decision));
}

async::awaitable<http::Response> Forwarder::forward(http::Request& request, Target target, PolicyPtr policy) {
  const auto verdict = policy->access.check_host(target.host, target.port);
  if (!verdict.is_allowed) co_return error_response({Code::not_allowed, Origin::client, std::string(verdict.reason)});
  auto exchange = cached(request, target, *policy);
  if (exchange) {
    if (auto hit = co_await exchange->look_up()) co_return std::move(*hit);
  }
  auto out = outgoing(request, target, *policy);
  if (!out) co_return error_response(out.error());
  http::Destination destination{.scheme = target.scheme, .host = target.host, .port = target.port};
  if (!out->upgrade.empty()) destination.http2 = http::Http2Use::never;
  connector_.route(destination, *out);
  if (exchange) {
    if (auto shared = co_await exchange->share(destination, *out)) co_return std::move(*shared);
  }
  auto answer = co_await client_.send(destination, *out);
  if (!answer) co_return error_response(answer.error());
  co_return incoming(std::move(*answer), policy->name, tunnel_idle_);
}

}  // namespace propeller::forward
