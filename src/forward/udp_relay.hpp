#pragma once

#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <string_view>

#include "async/task_group.hpp"
#include "forward/policy.hpp"
#include "net/resolver.hpp"
#include "net/stream.hpp"

namespace propeller::forward {

struct UdpRelayOptions {
  address listen;  ///< ours, as the client has reached it
  address client;  ///< the only one that may send
  std::chrono::milliseconds idle_timeout;
};

/// The datagrams of one association of SOCKS5 (UDP ASSOCIATE), in both directions.
///
/// Order:    none, as with UDP. The port that the client sends from first stays its port.
/// Bound:    kTargetsMax addresses whose datagrams are brought back, the one used first makes room; kLookupsMax names
///           being looked up, each with one datagram; what comes beyond is dropped, as is what a socket does not take.
/// Errors:   open(): io. A datagram that may not pass, or that nobody takes, is dropped without a word (RFC 1928).
/// Threads:  one core.
/// Lifetime: `resolver` and `policy` outlive it; the policy that holds when a datagram comes decides about it.
/// Source:   RFC 1928 section 7
class UdpRelay {
 public:
  static constexpr std::size_t kTargetsMax = 256;
  static constexpr std::size_t kLookupsMax = 16;
  static constexpr std::chrono::seconds kLookupTimeout{5};

  using Endpoint = boost::asio::ip::udp::endpoint;

  UdpRelay(const boost::asio::any_io_executor& executor, net::Resolver& resolver, const PolicyPtr& policy,
           UdpRelayOptions options);

  /// Where the client sends to.
  [[nodiscard]] Result<Endpoint> open();
  /// As long as `control`, the connection that asked for it, lasts and something is carried.
  async::awaitable<void> run(net::Stream& control);

 private:
  using Socket = boost::asio::ip::udp::socket;

  async::awaitable<void> watch(net::Stream& control);
  async::awaitable<void> take_from_client();
  async::awaitable<void> bring_back(Socket& from);
  async::awaitable<void> look_up_and_send(std::string host, std::uint16_t port, std::string payload);
  void take(std::string_view bytes, const Endpoint& source);
  void send(const address& target, std::uint16_t port, std::string_view payload);
  void give_back(std::string_view payload, const Endpoint& source);
  [[nodiscard]] bool is_client(const Endpoint& source) const;
  void remember(const address& target);

  net::Resolver& resolver_;
  const PolicyPtr& policy_;
  const UdpRelayOptions options_;
  Socket to_client_, to_v4_, to_v6_;
  Endpoint client_;  ///< port 0: it has not sent yet
  std::set<address> targets_;
  std::deque<address> targets_in_order_;
  std::size_t lookups_ = 0;
  std::chrono::steady_clock::time_point active_at_;
  async::TaskGroup tasks_;
};

}  // namespace propeller::forward
