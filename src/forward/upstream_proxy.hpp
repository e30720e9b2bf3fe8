#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "config/forward_settings.hpp"
#include "http/client.hpp"
#include "net/client_tls.hpp"
#include "net/dialer.hpp"

namespace propeller::forward {

/// The proxy that we go through ourselves (`proxy.upstream`): HTTP, HTTP over TLS, or SOCKS5.
///
/// Its own address is the operator's word: no policy is asked. Whom it reaches for a name is its own business, so of
/// the addresses behind a name none is checked, but with `socks5`, where we look the name up.
///
/// Errors:   those of dialling and TLS; what the proxy refuses is unauthorized, not_allowed, connection_refused,
///           host_unreachable, network_unreachable or timeout of Origin::upstream. All say that it was the proxy.
/// Threads:  one core.
/// Lifetime: `network` outlives it; stop() before the end.
/// Source:   RFC 9110 9.3.6 (CONNECT), RFC 1928
class UpstreamProxy final : private http::Connector {
 public:
  struct Network {
    boost::asio::any_io_executor executor;
    net::Resolver& resolver;
    net::Dialer& dialer;
    net::ClientTls& tls;
  };

  UpstreamProxy(Network network, config::UpstreamProxy settings, std::chrono::milliseconds connect_timeout);

  /// A connection to the proxy itself.
  async::awaitable<Result<std::unique_ptr<net::Stream>>> connect();
  /// A connection to a target through it. `policy` is asked about addresses that we look up ourselves.
  async::awaitable<Result<std::unique_ptr<net::Stream>>> tunnel(std::string host, std::uint16_t port,
                                                                net::AddressPolicy policy);
  /// Lets a plain request be asked of the proxy itself, in absolute-form. False, and nothing changed, where only a
  /// tunnel will do: SOCKS, https, upgrades.
  [[nodiscard]] bool take_over(http::Destination& destination, http::OutgoingRequest& request) const;
  async::awaitable<void> stop() { return tunnels_.stop(); }

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  async::awaitable<Result<std::unique_ptr<net::Stream>>> connect(const http::Destination& destination) override;
  async::awaitable<Result<std::unique_ptr<net::Stream>>> tunnel_http(std::string host, std::uint16_t port);
  async::awaitable<Result<std::unique_ptr<net::Stream>>> tunnel_socks(std::string host, std::uint16_t port,
                                                                      net::AddressPolicy policy);
  async::awaitable<Result<std::string>> look_up(std::string host, std::uint16_t port, net::AddressPolicy policy,
                                                Deadline deadline);
  [[nodiscard]] bool is_socks() const;
  void log_in(http::Fields& fields) const;

  Network network_;
  const config::UpstreamProxy settings_;
  const std::chrono::milliseconds connect_timeout_;
  http::Client tunnels_;  ///< asks for them; a tunnel's connection is never used again
};

}  // namespace propeller::forward
