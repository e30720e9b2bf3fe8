#include "forward/proxy_core.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/listed.hpp"
#include "forward/host_pattern.hpp"
#include "forward/setup_page.hpp"
#include "http/uri.hpp"
#include "net/proxy_protocol.hpp"

namespace propeller::forward {

namespace {

using Clock = std::chrono::steady_clock;

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

class CountedConnection {
 public:
  explicit CountedConnection(std::atomic<std::size_t>& open) : open_(open) { ++open_; }
  ~CountedConnection() { --open_; }
  CountedConnection(const CountedConnection&) = delete;
  CountedConnection& operator=(const CountedConnection&) = delete;

 private:
  std::atomic<std::size_t>& open_;
};

/// Asked of us as a server, as the mirror is, and not of somebody else by way of us. HTTP/2 names the host of every
/// request: it is ours where the client's TLS asked for the same.
bool is_for_us(const http::RequestHead& head, const net::StreamInfo& connection) {
  if (head.form != http::TargetForm::origin) return false;
  if (head.version != http::Version::http_2) return true;
  if (!connection.tls || head.scheme != "https") return false;
  const auto& name = connection.tls->server_name;
  return host_of(head.authority) == (name.empty() ? connection.local.address().to_string() : host_of(name));
}

http::Response login_required() {
  auto response = error_response({Code::unauthorized, Origin::client, "this proxy wants a user name and a password"});
  response.fields.add("Proxy-Authenticate", "Basic realm=\"propeller-proxy\"");
  return response;
}

}  // namespace

/// What a client of the proxy asks for, outside of any tunnel.
class ProxyCore::ClientHandler final : public http::Handler {
 public:
  explicit ClientHandler(ProxyCore& core) : core_(core) {}

  async::awaitable<http::Response> handle(http::Request& request) override {
    const auto& head = request.head();
    const bool is_ours = is_for_us(head, request.connection());
    if (is_ours) {
      if (auto page = core_.setup_page(request)) co_return std::move(*page);
    }
    if (core_.policy_->users && !co_await core_.is_authorised(request)) co_return login_required();
    if (is_ours && core_.mirror_.takes(head.path)) co_return co_await core_.mirror_.answer(request, core_.policy_);
    if (head.form == http::TargetForm::authority) co_return co_await core_.connect(request);
    // HTTP/2 tells scheme and authority of every request.
    const bool is_whole = head.form == http::TargetForm::absolute ||
                          (head.version == http::Version::http_2 && head.form == http::TargetForm::origin);
    if (!is_whole) co_return http::text_response(400, std::string(kNoOriginForm));
    const auto uri = http::parse_uri(std::string(head.scheme) + "://" + std::string(head.authority) + "/");
    if (!uri) co_return error_response({Code::bad_request, Origin::client, "not an http or https URL"});
    co_return co_await core_.forwarder_.forward(request, {.scheme = uri->scheme, .host = uri->host, .port = uri->port},
                                                core_.policy_);
  }

 private:
  ProxyCore& core_;
};

/// Goes on behind CONNECT.
class ProxyCore::ConnectTunnel final : public http::Takeover {
 public:
  ConnectTunnel(Tunnels& tunnels, OpenTunnel tunnel) : tunnels_(tunnels), tunnel_(std::move(tunnel)) {}
  async::awaitable<void> run(net::Stream& stream) override { return tunnels_.run(stream, tunnel_); }

 private:
  Tunnels& tunnels_;
  OpenTunnel tunnel_;
};

ProxyCore::ProxyCore(async::Core& core, ProxyShared& shared, PolicyPtr policy)
    : core_(core),
      shared_(shared),
      policy_(std::move(policy)),
      resolver_(core.executor(), shared.pool),
      dialer_(core.executor(), resolver_),
      connector_({core.executor(), resolver_, dialer_, *shared.client_tls}, policy_, shared.settings.proxy,
                 shared.mirror),
      client_(core.executor(), connector_, client_limits(shared.settings.proxy.timeouts)),
      sender_(core.executor(), client_, connector_, policy_, shared.mirror),
      content_sender_(sender_, client_, connector_, policy_),
      server_(server_limits(shared.settings.proxy.timeouts)),
      forwarder_(core.executor(),
                 {sender_, content_sender_, shared.store, *shared.cache_counters, *shared.invalidations,
                  shared.accepted, shared.silent, shared.unfit, shared.settings.proxy.timeouts.tunnel_idle}),
      mirror_(forwarder_, shared.mirror),
      tunnels_({.connector = connector_,
                .server = server_,
                .forwarder = forwarder_,
                .tls = *shared.server_tls,
                .refusing = shared.refusing,
                .intercepted = shared.intercepted,
                .store = shared.store,
                .observer = shared.observer},
               shared.settings.proxy.timeouts, policy_),
      logins_(core.executor(), shared.logins, shared.pool),
      handshake_timeout_(std::min<std::chrono::milliseconds>(kHandshakeTimeout, shared.settings.proxy.timeouts.read)),
      socks_parts_{.tunnels = tunnels_,
                   .logins = logins_,
                   .resolver = resolver_,
                   .policy = policy_,
                   .handshake_timeout = handshake_timeout_,
                   .udp_idle_timeout = shared.settings.proxy.timeouts.tunnel_idle,
                   .associations = associations_},
      handler_(std::make_unique<ClientHandler>(*this)),
      observed_(*handler_, shared.observer, "http"),
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
  sender_.set_policy(policy_);
  content_sender_.set_policy(policy_);
  tunnels_.set_policy(policy_);
}

async::awaitable<void> ProxyCore::stop(std::chrono::milliseconds grace) {
  for (auto& listener : listeners_) listener.close();
  acceptors_.cancel();
  co_await acceptors_.join();
  server_.drain();
  for (net::Stream* const stream : silent_) stream->close();
  const auto end = std::chrono::steady_clock::now() + grace;
  while (connections_.size() > 0 && std::chrono::steady_clock::now() < end)
    co_await async::sleep_for(std::chrono::milliseconds(20));
  connections_.cancel();
  co_await connections_.join();
  co_await forwarder_.stop();
  co_await sender_.stop();
  co_await client_.stop();
  co_await connector_.stop();
}

async::awaitable<void> ProxyCore::accept_loop(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    if (connections_.size() < kConnectionsMax) connections_.spawn(serve(std::move(*stream)));
  }
}

async::awaitable<void> ProxyCore::serve(std::unique_ptr<net::Stream> stream) {
  const CountedConnection counted(shared_.connections);
  const auto reached = stream->info().local.address();
  const auto protocol = co_await begin(stream);
  if (protocol == Protocol::http) co_await server_.serve(*stream, observed_);
  if (protocol == Protocol::socks) co_await serve_socks(*stream, reached);
}

/// What a proxy in front of us says about its client. False: the connection is of no use.
async::awaitable<bool> ProxyCore::take_proxy_header(net::Stream& stream) {
  if (!contains(policy_->proxy_protocol, stream.info().peer.address())) co_return true;
  stream.set_read_deadline(Clock::now() + handshake_timeout_);
  std::string seen;
  net::ProxyHeader header;
  while (header.state == net::ProxyHeader::State::incomplete) {
    char room[512];
    const auto count = co_await stream.read_some(room);
    if (!count || *count == 0) co_return false;
    seen.append(room, *count);
    header = net::parse_proxy_header(seen);
  }
  if (header.state == net::ProxyHeader::State::broken) co_return false;
  stream.unread(std::string_view(seen).substr(header.size));
  if (header.endpoints) stream.set_endpoints(header.endpoints->server, header.endpoints->client);
  co_return true;
}

async::awaitable<Protocol> ProxyCore::first_byte(net::Stream& stream) {
  const base::Listed<net::Stream> silent(silent_, stream);
  stream.set_read_deadline(Clock::now() + handshake_timeout_);
  char first = 0;
  const auto count = co_await stream.read_some({&first, 1});
  if (!count || *count == 0) co_return Protocol::unknown;
  stream.unread({&first, 1});
  stream.set_read_deadline(std::nullopt);
  co_return protocol_of(first);
}

/// What the client speaks, inside TLS where it begins with that.
async::awaitable<Protocol> ProxyCore::begin(std::unique_ptr<net::Stream>& stream) {
  if (!co_await take_proxy_header(*stream)) co_return Protocol::unknown;
  // By the address of the client, not of the proxy that speaks for it.
  stream = limited(std::move(stream), *shared_.bandwidth);
  const auto protocol = co_await first_byte(*stream);
  if (protocol != Protocol::tls) co_return protocol;
  auto tls = co_await accept_tls(std::move(stream));
  if (!tls) co_return Protocol::unknown;
  stream = std::move(*tls);
  co_return co_await first_byte(*stream);
}

async::awaitable<void> ProxyCore::serve_socks(net::Stream& stream, address reached) {
  SocksSession session(socks_parts_, stream, std::move(reached));
  co_await session.run();
}

/// A client that speaks TLS to the proxy itself.
async::awaitable<Result<std::unique_ptr<net::Stream>>> ProxyCore::accept_tls(std::unique_ptr<net::Stream> stream) {
  const auto local = stream->info().local.address().to_string();
  co_return co_await shared_.server_tls->accept(
      std::move(stream),
      {.alpn = {"h2", "http/1.1"}, .default_name = local, .deadline = Clock::now() + handshake_timeout_});
}

/// What a client that is not set up yet has to get, with a login or without.
std::optional<http::Response> ProxyCore::setup_page(const http::Request& request) const {
  const auto& head = request.head();
  if (!head.path.starts_with("/setup") && !head.path.starts_with("/ca.crt")) return std::nullopt;
  const auto& local = request.connection().local;
  const auto named = http::parse_authority(head.authority);
  const bool is_v6 = local.address().is_v6();
  const auto reached =
      fmt::format("{}{}{}:{}", is_v6 ? "[" : "", local.address().to_string(), is_v6 ? "]" : "", local.port());
  return setup_answer(head, {.authority = named ? std::string(head.authority) : reached,
                             .certificate_pem = shared_.authority->certificate_pem()});
}

async::awaitable<bool> ProxyCore::is_authorised(http::Request& request) {
  const auto users = policy_->users;
  auto login = parse_basic(request.fields().find("Proxy-Authorization").value_or(""));
  if (!login) co_return false;
  co_return co_await logins_.is_right(users, std::move(*login));
}

async::awaitable<http::Response> ProxyCore::connect(http::Request& request) {
  const auto authority = http::parse_authority(request.head().authority);
  if (!authority || !authority->port)
    co_return error_response({Code::bad_request, Origin::client, "CONNECT names a host and a port"});
  auto tunnel =
      co_await tunnels_.open({.scheme = {}, .host = host_of(request.head().authority), .port = *authority->port});
  if (!tunnel) co_return error_response(tunnel.error());
  http::Response response;
  response.takeover = std::make_unique<ConnectTunnel>(tunnels_, std::move(*tunnel));
  co_return response;
}

}  // namespace propeller::forward
