#include "forward/upstream_proxy.hpp"

#include <array>

#include "base/base64.hpp"
#include "http/uri.hpp"
#include "socks/client_handshake.hpp"

namespace propeller::forward {

namespace {

using Clock = std::chrono::steady_clock;
using config::UpstreamScheme;
using StreamResult = Result<std::unique_ptr<net::Stream>>;

/// What the proxy's answer to CONNECT means for the one who asked us.
Error refusal(int status) {
  const auto said = "the upstream proxy answers " + std::to_string(status);
  switch (status) {
    case 401:
    case 407: return {Code::unauthorized, Origin::upstream, said + ": it wants another login (proxy.upstream)"};
    case 403: return {Code::not_allowed, Origin::upstream, said + ": it forbids the target"};
    case 408:
    case 504: return {Code::timeout, Origin::upstream, said + ": the target does not answer it"};
    default: return {Code::connection_refused, Origin::upstream, said};
  }
}

async::awaitable<Result<void>> shake_hands(net::Stream& stream, socks::ConnectWish wish) {
  socks::ClientHandshake handshake(std::move(wish));
  std::array<char, socks::ClientHandshake::kAnswerBytesMax> room{};
  std::size_t held = 0;
  for (;;) {
    auto step = handshake.advance({room.data(), held});
    std::copy(room.begin() + static_cast<std::ptrdiff_t>(step.consumed),
              room.begin() + static_cast<std::ptrdiff_t>(held), room.begin());
    held -= step.consumed;
    switch (step.kind) {
      case socks::ClientStep::Kind::failed: co_return std::unexpected(std::move(step.error));
      case socks::ClientStep::Kind::established: stream.unread({room.data(), held}); co_return Result<void>{};
      case socks::ClientStep::Kind::send:
        if (auto sent = co_await stream.write(step.bytes); !sent) co_return sent;
        break;
      case socks::ClientStep::Kind::need_more: {
        const auto got = co_await stream.read_some(std::span(room).subspan(held));
        if (!got) co_return std::unexpected(got.error());
        if (*got == 0) co_return fail(Code::connection_reset, Origin::upstream, "the SOCKS proxy ended the connection");
        held += *got;
        break;
      }
    }
  }
}

}  // namespace

UpstreamProxy::UpstreamProxy(Network network, config::UpstreamProxy settings, std::chrono::milliseconds connect_timeout)
    : network_(std::move(network)),
      settings_(std::move(settings)),
      connect_timeout_(connect_timeout),
      tunnels_(
          network_.executor, *this,
          {.first_byte_timeout = connect_timeout, .read_timeout = connect_timeout, .write_timeout = connect_timeout}) {}

bool UpstreamProxy::is_socks() const {
  return settings_.scheme == UpstreamScheme::socks5 || settings_.scheme == UpstreamScheme::socks5h;
}

void UpstreamProxy::log_in(http::Fields& fields) const {
  if (settings_.username.empty()) return;
  fields.set("Proxy-Authorization",
             "Basic " + base::base64_encode(settings_.username + ":" + settings_.password.reveal()));
}

bool UpstreamProxy::take_over(http::Destination& destination, http::OutgoingRequest& request) const {
  if (is_socks() || destination.scheme != "http" || !request.upgrade.empty()) return false;
  request.absolute_scheme = destination.scheme;
  log_in(request.fields);
  destination = {.scheme = "http",
                 .host = settings_.host,
                 .port = settings_.port,
                 .via = "proxy.upstream",
                 .http2 = http::Http2Use::never};
  return true;
}

async::awaitable<StreamResult> UpstreamProxy::connect() {
  const auto deadline = Clock::now() + connect_timeout_;
  StreamResult stream =
      co_await network_.dialer.dial({.host = settings_.host, .port = settings_.port, .deadline = deadline});
  if (stream && settings_.scheme == UpstreamScheme::https) {
    stream = co_await network_.tls.connect(
        std::move(*stream),
        {.host = settings_.host, .port = settings_.port, .alpn = {"http/1.1"}, .deadline = deadline});
  }
  if (!stream) stream.error().detail.insert(0, "the upstream proxy (proxy.upstream): ");
  co_return stream;
}

async::awaitable<StreamResult> UpstreamProxy::connect(const http::Destination&) { return connect(); }

async::awaitable<StreamResult> UpstreamProxy::tunnel(std::string host, std::uint16_t port, net::AddressPolicy policy) {
  return is_socks() ? tunnel_socks(std::move(host), port, std::move(policy)) : tunnel_http(std::move(host), port);
}

async::awaitable<StreamResult> UpstreamProxy::tunnel_http(std::string host, std::uint16_t port) {
  http::OutgoingRequest request{
      .method = "CONNECT", .authority = (host.contains(':') ? "[" + host + "]" : host) + ":" + std::to_string(port)};
  log_in(request.fields);
  auto answer = co_await tunnels_.send(
      {.scheme = "http", .host = settings_.host, .port = settings_.port, .http2 = http::Http2Use::never}, request);
  if (!answer) co_return std::unexpected(answer.error());
  if (!answer->upgraded) co_return std::unexpected(refusal(answer->status));
  co_return std::move(answer->upgraded);
}

async::awaitable<Result<std::string>> UpstreamProxy::look_up(std::string host, std::uint16_t port,
                                                             net::AddressPolicy policy, Deadline deadline) {
  const auto addresses = co_await network_.resolver.resolve(std::move(host), deadline);
  if (!addresses) co_return std::unexpected(addresses.error());
  Result<void> verdict = fail(Code::dns_failed, Origin::upstream, "the host name has no address");
  for (const auto& address : *addresses) {
    if (policy) verdict = policy({address, port});
    if (!policy || verdict) co_return address.to_string();
  }
  co_return std::unexpected(verdict.error());
}

async::awaitable<StreamResult> UpstreamProxy::tunnel_socks(std::string host, std::uint16_t port,
                                                           net::AddressPolicy policy) {
  const auto deadline = Clock::now() + connect_timeout_;
  if (settings_.scheme == UpstreamScheme::socks5) {
    auto address = co_await look_up(std::move(host), port, std::move(policy), deadline);
    if (!address) co_return std::unexpected(address.error());
    host = std::move(*address);
  }
  auto stream = co_await connect();
  if (!stream) co_return stream;
  (*stream)->set_read_deadline(deadline);
  auto shaken = co_await shake_hands(
      **stream, {.host = std::move(host), .port = port, .user = settings_.username, .password = settings_.password});
  if (!shaken) {
    shaken.error().detail += " (proxy.upstream)";
    co_return std::unexpected(std::move(shaken.error()));
  }
  (*stream)->set_read_deadline(std::nullopt);
  co_return stream;
}

}  // namespace propeller::forward
