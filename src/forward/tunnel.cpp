#include "forward/tunnel.hpp"

#include <algorithm>
#include <array>

#include "async/task_group.hpp"
#include "http/run_then_join.hpp"
#include "http/uri.hpp"
#include "net/borrowed_stream.hpp"
#include "net/relay.hpp"

namespace propeller::forward {

namespace {

using async::awaitable;
using Clock = std::chrono::steady_clock;

constexpr std::array<std::string_view, 2> kHttpProtocols{"h2", "http/1.1"};

/// Two streams, until one of them has something to say, be it its end.
struct Either {
  explicit Either(const async::asio::any_io_executor& executor) : changed(executor) {}

  async::Event changed;
  std::optional<Result<void>> client = {}, upstream = {};
};

awaitable<void> watch(net::Stream& stream, Either& either, std::optional<Result<void>>& outcome) {
  outcome = co_await stream.wait_input();
  either.changed.notify_all();
}

awaitable<void> wait_for_one(Either& either) {
  while (!either.client && !either.upstream) co_await either.changed.wait();
}

}  // namespace

/// What a client asks for inside a tunnel. The target is the tunnel's, whatever Host claims.
class Tunnels::Handler final : public http::Handler {
 public:
  Handler(Tunnels& tunnels, Target target)
      : tunnels_(tunnels), target_(std::move(target)), authority_(target_.authority()) {}

  awaitable<http::Response> handle(http::Request& request) override {
    const auto& head = request.head();
    auto target = target_for(head.authority);
    if (!target || head.form == http::TargetForm::authority)
      co_return http::text_response(421, "This connection was opened for " + authority_ + ".\n");
    co_return co_await tunnels_.parts_.forwarder.forward(request, std::move(*target), tunnels_.policy_);
  }

 private:
  [[nodiscard]] std::optional<Target> target_for(std::string_view authority) const {
    if (authority.empty() || authority == authority_) return target_;  // HTTP/1.0 names none
    const auto claimed = http::parse_uri(target_.scheme + "://" + std::string(authority) + "/");
    if (!claimed || claimed->port != target_.port) return std::nullopt;
    if (claimed->host == target_.host) return target_;
    // A client that resolved the name itself asks an address for a name. It gets that address, and its rules.
    if (target_.scheme != "http" || !literal_address(target_.host)) return std::nullopt;
    auto target = target_;
    target.claimed_authority = claimed->authority();
    return target;
  }

  Tunnels& tunnels_;
  const Target target_;
  const std::string authority_;  ///< the target's, as nearly every request names it
};

/// What is served inside a tunnel.
struct Tunnels::Inside {
  Inside(Tunnels& tunnels, Target target, std::unique_ptr<net::Stream> intercepted)
      : tls(std::move(intercepted)),
        handler(tunnels, std::move(target)),
        observed(handler, tunnels.parts_.observer, tls ? "https" : "http") {}

  const std::unique_ptr<net::Stream> tls;  ///< null: the client speaks HTTP as it is
  Handler handler;
  ObservedHandler observed;
};

bool Tunnels::passes_through(std::string_view host) const {
  if (policy_->passthrough.matches(host)) return true;
  return policy_->is_passthrough_learned && parts_.refusing.contains(host, Clock::now());
}

bool Tunnels::is_answered_here(const Target& target) const {
  if (passes_through(target.host)) return false;
  return target.port == 80 || target.port == 443 || parts_.intercepted.contains(target.authority(), Clock::now());
}

awaitable<Result<OpenTunnel>> Tunnels::open(Target target) {
  // So that one target has one name here, and the port is always told.
  target.scheme.clear();
  if (const auto verdict = policy_->access.check_host(target.host, target.port); !verdict.is_allowed)
    co_return fail(Code::not_allowed, Origin::client, std::string(verdict.reason));
  OpenTunnel tunnel{.target = std::move(target)};
  if (is_answered_here(tunnel.target)) co_return tunnel;
  if (auto dialled = co_await dial(tunnel); !dialled) {
    // What is kept is served while its origin is down, also by a process that has not seen it up.
    const bool is_refused = dialled.error().code == Code::not_allowed;
    if (is_refused || !co_await has_content_of(tunnel.target)) co_return std::unexpected(std::move(dialled.error()));
  }
  co_return tunnel;
}

awaitable<bool> Tunnels::has_content_of(const Target& target) const {
  if (parts_.store == nullptr || passes_through(target.host)) co_return false;
  for (const auto* scheme : {"https://", "http://"}) {
    const auto entries = co_await parts_.store->list_entries(scheme + target.authority() + "/", "", 1);
    if (entries && !entries->empty()) co_return true;
  }
  co_return false;
}

awaitable<Result<void>> Tunnels::dial(OpenTunnel& tunnel) {
  auto upstream = co_await parts_.connector.dial(tunnel.target.host, tunnel.target.port);
  if (!upstream) co_return std::unexpected(std::move(upstream.error()));
  tunnel.upstream = std::move(*upstream);
  co_return Result<void>{};
}

// Holds as little as it can: it waits as long as the tunnel lasts.
awaitable<void> Tunnels::run(net::Stream& client, OpenTunnel& tunnel) {
  const auto inside = co_await begin(client, tunnel);
  if (!inside) co_return;
  if (*inside == nullptr) co_return co_await splice(client, tunnel);
  co_await parts_.server.serve((*inside)->tls ? *(*inside)->tls : client, (*inside)->observed);
}

/// What is served inside; null when the tunnel is carried untouched. Errors: it has ended.
awaitable<Result<std::unique_ptr<Tunnels::Inside>>> Tunnels::begin(net::Stream& client, OpenTunnel& tunnel) {
  if (passes_through(tunnel.target.host)) co_return nullptr;
  const auto start = co_await look_at(client, tunnel);
  if (!start) {
    client.reset();
    co_return std::unexpected(start.error());
  }
  if (!is_read_here(*start)) co_return nullptr;
  tunnel.upstream.reset();
  parts_.intercepted.add(tunnel.target.authority(), Clock::now());
  auto target = std::move(tunnel.target);
  const auto& hello = start->hello;
  if (hello.state != net::ClientHello::State::complete) {
    target.scheme = "http";
    co_return std::make_unique<Inside>(*this, std::move(target), nullptr);
  }
  target.scheme = "https";
  // Who resolved the name itself (socks5://, some CONNECTs) says in the ClientHello whom it wants.
  if (!hello.server_name.empty() && literal_address(target.host)) target.host = hello.server_name;
  auto tls = co_await intercept(client, target.host);
  if (!tls) co_return std::unexpected(std::move(tls.error()));
  co_return std::make_unique<Inside>(*this, std::move(target), std::move(*tls));
}

bool Tunnels::is_read_here(const TunnelStart& start) const {
  if (start.kind != TunnelStart::Kind::tls) return start.kind == TunnelStart::Kind::http;
  const auto& hello = start.hello;
  if (!hello.server_name.empty() && passes_through(hello.server_name)) return false;
  // Who names protocols and none of ours among them would not understand our answers.
  return hello.alpn.empty() || std::ranges::find_first_of(hello.alpn, kHttpProtocols) != hello.alpn.end();
}

awaitable<Result<TunnelStart>> Tunnels::look_at(net::Stream& client, OpenTunnel& tunnel) {
  client.set_timeouts({.read = timeouts_.tunnel_idle, .write = timeouts_.write});
  std::string seen;
  TunnelStart start;
  Clock::time_point deadline;
  while (start.kind == TunnelStart::Kind::incomplete && seen.size() < kTunnelStartBytesMax) {
    const auto speaker =
        seen.empty() ? co_await wait_for_first(client, tunnel) : co_await wait_for_more(client, start, deadline);
    if (!speaker) co_return std::unexpected(speaker.error());
    if (*speaker == Speaker::other) break;
    char room[4096];
    const auto got = client.try_read(room);
    if (!got) co_return std::unexpected(got.error());
    if (!*got) continue;
    if (**got == 0) break;
    if (seen.empty()) deadline = Clock::now() + timeouts_.read;
    seen.append(room, **got);
    start = look_at_tunnel(seen);
  }
  client.set_read_deadline(std::nullopt);
  client.unread(seen);
  co_return start;
}

/// The rest of a ClientHello comes; of anything else it is not known whether there is a rest.
awaitable<Result<Tunnels::Speaker>> Tunnels::wait_for_more(net::Stream& client, const TunnelStart& start,
                                                           Clock::time_point deadline) {
  client.set_read_deadline(start.is_surely_tls ? deadline : std::min(deadline, Clock::now() + kServerSpeaksFirst));
  auto ready = co_await client.wait_input();
  if (ready) co_return Speaker::client;
  if (ready.error().code != Code::timeout || start.is_surely_tls) co_return std::unexpected(std::move(ready.error()));
  co_return Speaker::other;
}

awaitable<Result<Tunnels::Speaker>> Tunnels::wait_for_first(net::Stream& client, OpenTunnel& tunnel) {
  if (!tunnel.upstream) {
    client.set_read_deadline(Clock::now() + kServerSpeaksFirst);
    auto ready = co_await client.wait_input();
    client.set_read_deadline(std::nullopt);
    if (ready) co_return Speaker::client;
    if (ready.error().code != Code::timeout) co_return std::unexpected(std::move(ready.error()));
    if (auto dialled = co_await dial(tunnel); !dialled) co_return std::unexpected(std::move(dialled.error()));
  }
  tunnel.upstream->set_timeouts({.read = timeouts_.tunnel_idle, .write = timeouts_.write});
  Either either(client.executor());
  async::TaskGroup watchers(client.executor());
  watchers.spawn(watch(client, either, either.client));
  watchers.spawn(watch(*tunnel.upstream, either, either.upstream));
  co_await http::run_then_join(wait_for_one(either), watchers);
  if (!either.client) co_return Speaker::other;
  if (!*either.client) co_return std::unexpected(either.client->error());
  co_return Speaker::client;
}

awaitable<Result<std::unique_ptr<net::Stream>>> Tunnels::intercept(net::Stream& client, const std::string& host) {
  auto tls = co_await parts_.tls.accept(std::make_unique<net::BorrowedStream>(client),
                                        {.alpn = {kHttpProtocols.begin(), kHttpProtocols.end()},
                                         .default_name = host,
                                         .deadline = Clock::now() + timeouts_.read});
  const bool is_refused = !tls && tls.error().code == Code::tls_certificate;
  if (is_refused && policy_->is_passthrough_learned) parts_.refusing.add(host, Clock::now());
  co_return tls;
}

awaitable<void> Tunnels::splice(net::Stream& client, OpenTunnel& tunnel) {
  if (!tunnel.upstream) {
    if (auto dialled = co_await dial(tunnel); !dialled) co_return client.reset();
  }
  net::RelayBytes bytes;
  (void)co_await net::relay(client, *tunnel.upstream, {.idle_timeout = timeouts_.tunnel_idle}, bytes);
}

}  // namespace propeller::forward
