#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/resolver.hpp"
#include "net/tcp_stream.hpp"

namespace propeller::net {

/// Whether we may connect to an address, asked for each one that a name has, before anything is sent to it. The error
/// is what dial() says when no address is left.
using AddressPolicy = std::function<Result<void>(const boost::asio::ip::tcp::endpoint&)>;

struct DialRequest {
  std::string host;  ///< name or address, without brackets
  std::uint16_t port = 0;
  std::chrono::steady_clock::time_point deadline;  ///< for the name and the connection together
  AddressPolicy policy = {};                       ///< empty: every address is fine
};

/// Connects to hosts: finds the addresses, leaves out those that the policy forbids, and tries the others, the families
/// in turn, each kStagger after the one before or as soon as that has failed; the first that answers is taken.
///
/// Bound:    kAddressesMax attempts (net/look_up.hpp).
/// Errors:   those of the resolver, of the policy, connection_refused, host_unreachable or network_unreachable
///           with what the last attempt said, timeout.
/// Threads:  one core.
/// Lifetime: the resolver outlives it; it outlives the calls of dial().
/// Source:   RFC 8305
class Dialer {
 public:
  static constexpr std::chrono::milliseconds kStagger{250};

  Dialer(boost::asio::any_io_executor executor, Resolver& resolver)
      : executor_(std::move(executor)), resolver_(resolver) {}

  /// A stream with Origin::upstream.
  [[nodiscard]] async::awaitable<Result<std::unique_ptr<TcpStream>>> dial(DialRequest request);

 private:
  boost::asio::any_io_executor executor_;
  Resolver& resolver_;
};

/// The order to try addresses in: the families in turn, beginning with the one of the first.
[[nodiscard]] Addresses interleave_families(const Addresses& addresses);

}  // namespace propeller::net
