#include "forward/proxy_core.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "async/offload.hpp"
#include "base/clock.hpp"
#include "forward/proxy_status.hpp"
#include "http/uri.hpp"
#include "net/borrowed_stream.hpp"
#include "net/client_hello.hpp"
#include "net/relay.hpp"

namespace propeller::forward {

namespace {

constexpr std::string_view kNoOriginForm =
    "This is a proxy: it takes requests for other hosts (http_proxy=http://host:port), not for itself.\n";

http::ClientLimits client_limits(const config::ForwardTimeouts& timeouts) {
  return {.idle_timeout = timeouts.idle,
          .first_byte_timeout = timeouts.first_byte,
          .read_timeout = timeouts.read,
          .write_timeout = timeouts.write};
}

http::ServerLimits server_limits(const config::ForwardTimeouts& timeouts) {
  return {.head_timeout = timeouts.read,
          .idle_timeout = timeouts.idle,
          .read_timeout = timeouts.read,
          .write_timeout = timeouts.write};
}

Error denied(const Verdict& verdict) { return {Code::not_allowed, Origin::client, std::string(verdict.reason)}; }

http::Response login_required() {
  auto response = error_response({Code::unauthorized, Origin::client, "this proxy wants a user name and a password"});
  response.fields.add("Proxy-Authenticate", "Basic realm=\"propeller-proxy\"");
  return response;
}

/// What a client sends first, put back after it was looked at; nothing when it waits for the server.
async::awaitable<Result<net::ClientHello>> sniff(net::Stream& stream) {
  using namespace boost::asio::experimental::awaitable_operators;
  std::string seen;
  net::ClientHello hello{.state = net::ClientHello::State::not_tls};
  auto waited = co_await (stream.wait_input() || async::sleep_for(ProxyCore::kServerSpeaksFirst));
  if (waited.index() == 1) co_return hello;
  do {
    char room[4096];
    const auto count = co_await stream.read_some(room);
    if (!count) co_return std::unexpected(count.error());
    if (*count == 0) break;
    seen.append(room, *count);
    hello = net::parse_client_hello(seen);
  } while (hello.state == net::ClientHello::State::incomplete && seen.size() < net::kClientHelloBytesMax);
  stream.unread(seen);
  co_return hello;
}

}  // namespace

/// What a client of the proxy asks for, outside of any tunnel.
class ProxyCore::ClientHandler final : public http::Handler {
 public:
  explicit ClientHandler(ProxyCore& core) : core_(core) {}

  async::awaitable<http::Response> handle(http::Request& request) override {
    if (!co_await core_.is_authorised(request)) co_return login_required();
    const auto& head = request.head();
    if (head.form == http::TargetForm::authority) co_return co_await core_.connect(request);
    if (head.form != http::TargetForm::absolute) co_return http::text_response(400, std::string(kNoOriginForm));
    const auto uri = http::parse_uri(std::string(head.scheme) + "://" + std::string(head.authority) + "/");
    if (!uri) co_return error_response({Code::bad_request, Origin::client, "not an http or https URL"});
    co_return co_await core_.forwarder_.forward(request, {.scheme = uri->scheme, .host = uri->host, .port = uri->port},
                                                core_.policy_);
  }

 private:
  ProxyCore& core_;
};

/// What a client asks for inside a tunnel that is intercepted. The target is the tunnel's, whatever Host claims.
class ProxyCore::TunnelHandler final : public http::Handler {
 public:
  TunnelHandler(ProxyCore& core, Target target) : core_(core), target_(std::move(target)) {}

  async::awaitable<http::Response> handle(http::Request& request) override {
    const auto& head = request.head();
    const auto claimed = http::parse_uri(target_.scheme + "://" + std::string(head.authority) + "/");
    if (!claimed || claimed->host != target_.host || claimed->port != target_.port) {
      auto response = http::text_response(421, "This connection was opened for " + target_.authority() + ".\n");
      co_return response;
    }
    co_return co_await core_.forwarder_.forward(request, target_, core_.policy_);
  }

 private:
  ProxyCore& core_;
  Target target_;
};

class ProxyCore::Tunnel final : public http::Takeover {
 public:
  Tunnel(ProxyCore& core, Target target) : core_(core), target_(std::move(target)) {}
  async::awaitable<void> run(net::Stream& stream) override { return core_.run_tunnel(stream, std::move(target_)); }

 private:
  ProxyCore& core_;
  Target target_;
};

ProxyCore::ProxyCore(async::Core& core, ProxyShared& shared, PolicyPtr policy)
    : core_(core),
      shared_(shared),
      policy_(std::move(policy)),
      resolver_(core.executor(), shared.pool),
      dialer_(core.executor(), resolver_),
      connector_({core.executor(), resolver_, dialer_, *shared.client_tls}, policy_, shared.settings.proxy),
      client_(core.executor(), connector_, client_limits(shared.settings.proxy.timeouts)),
      server_(server_limits(shared.settings.proxy.timeouts)),
      forwarder_(client_, connector_),
      acceptors_(core.executor()),
      connections_(core.executor()) {}

Result<boost::asio::ip::tcp::endpoint> ProxyCore::listen(const boost::asio::ip::tcp::endpoint& address) {
  auto& listener = listeners_.emplace_back(core_);
  if (auto opened = listener.open(address); !opened) return std::unexpected(opened.error());
  return listener.address();
}

void ProxyCore::start() {
  for (auto& listener : listeners_) acceptors_.spawn(accept_loop(listener));
}

void ProxyCore::set_policy(PolicyPtr policy) {
  policy_ = std::move(policy);
  connector_.set_policy(policy_);
}

async::awaitable<void> ProxyCore::stop(std::chrono::milliseconds grace) {
  for (auto& listener : listeners_) listener.close();
  acceptors_.cancel();
  co_await acceptors_.join();
  server_.drain();
  const auto end = std::chrono::steady_clock::now() + grace;
  while (connections_.size() > 0 && std::chrono::steady_clock::now() < end)
    co_await async::sleep_for(std::chrono::milliseconds(20));
  connections_.cancel();
  co_await connections_.join();
  co_await client_.stop();
  co_await connector_.stop();
}

async::awaitable<void> ProxyCore::accept_loop(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    if (connections_.size() < kConnectionsMax)
      connections_.spawn(serve(limited(std::move(*stream), *shared_.bandwidth)));
  }
}

async::awaitable<void> ProxyCore::serve(std::unique_ptr<net::Stream> stream) {
  constexpr char kTlsHandshake = 0x16;
  stream->set_read_deadline(std::chrono::steady_clock::now() + kFirstByteTimeout);
  char first = 0;
  const auto count = co_await stream->read_some({&first, 1});
  if (!count || *count == 0) co_return;
  stream->unread({&first, 1});
  stream->set_read_deadline(std::nullopt);
  if (first == kTlsHandshake) co_return co_await serve_tls(std::move(stream));
  if (first < 'A' || first > 'Z') co_return;
  ClientHandler handler(*this);
  co_await server_.serve(*stream, handler);
}

/// A client that speaks TLS to the proxy itself.
async::awaitable<void> ProxyCore::serve_tls(std::unique_ptr<net::Stream> stream) {
  const auto local = stream->info().local.address().to_string();
  auto tls = co_await shared_.server_tls->accept(
      std::move(stream),
      {.alpn = {"http/1.1"}, .default_name = local, .deadline = std::chrono::steady_clock::now() + kFirstByteTimeout});
  if (!tls) co_return;
  ClientHandler handler(*this);
  co_await server_.serve(**tls, handler);
}

async::awaitable<bool> ProxyCore::is_authorised(http::Request& request) {
  const auto users = policy_->users;
  if (!users) co_return true;
  const auto login = parse_basic(request.fields().find("Proxy-Authorization").value_or(""));
  if (!login) co_return false;
  if (shared_.logins.contains(*login, base::Clock::time_point(std::chrono::steady_clock::now()))) co_return true;
  const bool is_right = co_await async::offload(shared_.pool, [users, login = *login] { return users->verify(login); });
  if (is_right) shared_.logins.add(*login, base::Clock::time_point(std::chrono::steady_clock::now()));
  co_return is_right;
}

async::awaitable<http::Response> ProxyCore::connect(http::Request& request) {
  const auto authority = http::parse_authority(request.head().authority);
  if (!authority || !authority->port)
    co_return error_response({Code::bad_request, Origin::client, "CONNECT names a host and a port"});
  Target target{.scheme = "https", .host = host_of(request.head().authority), .port = *authority->port};
  if (const auto verdict = policy_->access.check_host(target.host, target.port); !verdict.is_allowed)
    co_return error_response(denied(verdict));
  http::Response response;
  response.takeover = std::make_unique<Tunnel>(*this, std::move(target));
  co_return response;
}

async::awaitable<void> ProxyCore::run_tunnel(net::Stream& stream, Target target) {
  const auto hello = co_await sniff(stream);
  if (!hello) co_return;
  const auto& name = hello->server_name;
  if (hello->state != net::ClientHello::State::complete || policy_->passthrough.matches(target.host) ||
      (!name.empty() && policy_->passthrough.matches(name)))
    co_return co_await splice(stream, std::move(target));
  // Who resolved the name itself (socks5://, some CONNECTs) says in the ClientHello whom it wants.
  if (!name.empty() && literal_address(target.host)) target.host = name;
  co_await intercept(stream, std::move(target));
}

async::awaitable<void> ProxyCore::intercept(net::Stream& stream, Target target) {
  auto tls = co_await shared_.server_tls->accept(
      std::make_unique<net::BorrowedStream>(stream),
      {.alpn = {"http/1.1"},
       .default_name = target.host,
       .deadline = std::chrono::steady_clock::now() + shared_.settings.proxy.timeouts.read});
  if (!tls) co_return;
  TunnelHandler handler(*this, std::move(target));
  co_await server_.serve(**tls, handler);
}

async::awaitable<void> ProxyCore::splice(net::Stream& stream, Target target) {
  auto upstream = co_await connector_.dial(target.host, target.port);
  if (!upstream) {
    stream.reset();
    co_return;
  }
  net::RelayBytes bytes;
  (void)co_await net::relay(stream, **upstream, {.idle_timeout = shared_.settings.proxy.timeouts.tunnel_idle}, bytes);
}

}  // namespace propeller::forward
