#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>

#include "async/task_group.hpp"
#include "config/forward_settings.hpp"
#include "forward/cache_counters.hpp"
#include "forward/connector.hpp"
#include "forward/content_sender.hpp"
#include "forward/forwarder.hpp"
#include "forward/invalidations.hpp"
#include "forward/limited_stream.hpp"
#include "forward/login_check.hpp"
#include "forward/mirror.hpp"
#include "forward/observed_handler.hpp"
#include "forward/recent_names.hpp"
#include "forward/registry_sender.hpp"
#include "forward/socks_session.hpp"
#include "forward/tunnel.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "net/certificate_authority.hpp"
#include "net/client_tls.hpp"
#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "net/server_tls.hpp"

namespace propeller::forward {

/// What the cores of the proxy share; none of it changes while they run, but for what locks itself.
struct ProxyShared {
  static constexpr std::size_t kRefusingMax = 1024;
  static constexpr std::chrono::hours kRefusingFor{24};
  static constexpr std::size_t kInterceptedMax = 8192;
  static constexpr std::chrono::hours kInterceptedFor{24};
  static constexpr std::size_t kAcceptedMax = 8192;
  static constexpr std::size_t kSilentMax = 1024;
  static constexpr std::chrono::seconds kSilentFor{15};
  static constexpr std::size_t kUnfitMax = 4096;
  static constexpr std::chrono::minutes kUnfitFor{10};

  config::Forward settings;
  std::shared_ptr<net::ClientTls> client_tls;
  std::shared_ptr<net::CertificateAuthority> authority;
  std::unique_ptr<net::ServerTls> server_tls;
  VerifiedLogins logins;
  RecentNames refusing{kRefusingMax, kRefusingFor};             ///< hosts whose clients refused our certificate
  RecentNames intercepted{kInterceptedMax, kInterceptedFor};    ///< targets whose tunnels were read here
  RecentNames accepted{kAcceptedMax, std::chrono::minutes(5)};  ///< callers, see CachedExchange
  RecentNames silent{kSilentMax, kSilentFor};                   ///< origins and tags, see CachedExchange
  RecentNames unfit{kUnfitMax, kUnfitFor};                      ///< URLs, see CachedExchange
  Observer observer;
  store::ContentStore* store = nullptr;  ///< null: nothing is kept
  CacheCounters* cache_counters = nullptr;
  Invalidations* invalidations = nullptr;
  std::shared_ptr<const MirrorTable> mirror;  ///< null: there is none
  std::optional<BandwidthLimits> bandwidth;   ///< set before the cores start
  std::atomic<std::size_t> connections = 0;   ///< of clients, open now
  boost::asio::thread_pool pool{2};           ///< names, password hashes
};

/// The proxy on one core: accepts, finds out what a connection speaks, and serves it to its end.
///
/// Order:    a PROXY protocol head, where the caller may speak for others; then the first byte: a letter is HTTP, 4 and
///           5 are SOCKS, 0x16 is TLS to the proxy itself, inside which the first byte decides again. Tunnels: see
///           Tunnels.
/// Bound:    kConnectionsMax connections; the next one is closed at once. kHandshakeTimeout, or `timeouts.read` where
///           that is shorter, for each of those steps.
/// Threads:  listen() before the core starts; all else on the core.
/// Lifetime: `shared` outlives it; stop() has returned before it goes.
class ProxyCore {
 public:
  static constexpr std::size_t kConnectionsMax = 16'384;
  static constexpr std::chrono::seconds kHandshakeTimeout{10};

  ProxyCore(async::Core& core, ProxyShared& shared, PolicyPtr policy);
  ProxyCore(const ProxyCore&) = delete;
  ProxyCore& operator=(const ProxyCore&) = delete;

  /// The address it got.
  [[nodiscard]] Result<boost::asio::ip::tcp::endpoint> listen(const boost::asio::ip::tcp::endpoint& address);
  void start();
  /// No new connections; requests in progress have `grace` to end.
  async::awaitable<void> stop(std::chrono::milliseconds grace);
  void set_policy(PolicyPtr policy);

 private:
  class ClientHandler;
  class ConnectTunnel;

  async::awaitable<void> accept_loop(net::Listener& listener);
  async::awaitable<void> serve(std::unique_ptr<net::Stream> stream);
  async::awaitable<Protocol> begin(std::unique_ptr<net::Stream>& stream);
  async::awaitable<void> serve_socks(net::Stream& stream, address reached);
  async::awaitable<bool> take_proxy_header(net::Stream& stream);
  async::awaitable<Protocol> first_byte(net::Stream& stream);
  async::awaitable<Result<std::unique_ptr<net::Stream>>> accept_tls(std::unique_ptr<net::Stream> stream);
  async::awaitable<http::Response> connect(http::Request& request);
  [[nodiscard]] std::optional<http::Response> setup_page(const http::Request& request) const;
  async::awaitable<bool> is_authorised(http::Request& request);

  async::Core& core_;
  ProxyShared& shared_;
  PolicyPtr policy_;
  net::Resolver resolver_;
  net::Dialer dialer_;
  Connector connector_;
  http::Client client_;
  RegistrySender sender_;
  ContentSender content_sender_;
  http::Server server_;
  Forwarder forwarder_;
  Mirror mirror_;
  Tunnels tunnels_;
  LoginCheck logins_;
  const std::chrono::milliseconds handshake_timeout_;
  std::size_t associations_ = 0;
  const SocksParts socks_parts_;
  const std::unique_ptr<http::Handler> handler_;
  ObservedHandler observed_;
  std::list<net::Listener> listeners_;
  std::list<net::Stream*> silent_;  ///< connections that have not sent a byte yet
  async::TaskGroup acceptors_;
  async::TaskGroup connections_;
};

}  // namespace propeller::forward
