#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "forward/cached_exchange.hpp"
#include "forward/connector.hpp"
#include "forward/host_figures.hpp"
#include "forward/policy.hpp"
#include "http/client.hpp"
#include "http/server.hpp"

namespace propeller::forward {

/// Where a request goes, as it was verified: from its absolute target, or from the tunnel it came through.
struct Target {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case, without brackets
  std::uint16_t port = 80;
  /// What Host says, where the client asked an address, in the clear, for a name: told to the origin, believed by
  /// nobody here.
  std::string claimed_authority = {};
  /// The mirror's name for it; empty: the client itself named the host.
  std::string registry = {};
  /// What comes is not for everybody: the mirror's own credentials were needed, or may be.
  bool is_private = false;

  /// "host", or "host:port" where the port is not the scheme's; an IPv6 address in brackets.
  [[nodiscard]] std::string authority() const;
  /// Under which the store keeps what comes: what is claimed is no name that others would find it by, but tells
  /// apart the hosts behind one address.
  [[nodiscard]] std::string stored_authority() const;
};

/// Sends one request on and brings its response back: checks the target, strips what concerns one connection only,
/// applies the header rules of the target, streams both bodies, passes on 1xx, trailers and upgrades. What the policy's
/// matcher takes goes through the content store; of what that answers no header rule is asked.
///
/// Errors:  become answers with Proxy-Status (RFC 9209).
/// Threads: one core.
/// Lifetime: `client`, its connector, `store` and `counters` outlive it. stop() after the last request, before the
///          client's.
/// Source:  RFC 9110 section 7.6
class Forwarder {
 public:
  struct Parts {
    http::Sender& client;
    http::Sender& content_client;  ///< follows redirects of what is asked for by digest
    store::ContentStore* store;    ///< null: nothing is kept
    CacheCounters& counters;
    Invalidations& invalidations;
    RecentNames& accepted;                  ///< callers, see CachedExchange
    RecentNames& silent;                    ///< origins and tags, see CachedExchange
    RecentNames& unfit;                     ///< URLs, see CachedExchange
    std::chrono::milliseconds tunnel_idle;  ///< how long an upgraded connection may carry nothing
  };
  static constexpr std::size_t kUnsharedMax = 4096;
  static constexpr std::chrono::seconds kUnsharedFor{60};

  Forwarder(const async::asio::any_io_executor& executor, Parts parts);

  async::awaitable<http::Response> forward(http::Request& request, Target target, PolicyPtr policy);
  /// Gives up the downloads that are under way.
  async::awaitable<void> stop();

 private:
  [[nodiscard]] CacheDecision decide(http::Request& request, const Target& target, const Policy& policy) const;
  [[nodiscard]] CacheParts cache_parts(const Policy& policy);
  [[nodiscard]] http::Response counted(http::Response response, CacheOutcome outcome, const http::Request& request,
                                       const Target& target);
  async::awaitable<http::Response> look_further(http::Request& request, Target target, PolicyPtr policy,
                                                CacheDecision decision);
  async::awaitable<std::optional<http::Response>> answer_by_rules(http::Request& request, CacheDecision decision,
                                                                  const Target& target, const PolicyPtr& policy,
                                                                  const http::Destination& destination,
                                                                  const http::OutgoingRequest& out);
  async::awaitable<std::optional<http::Response>> answer_tag(http::Request& request, const CacheDecision& decision,
                                                             const Target& target, const PolicyPtr& policy,
                                                             const http::Destination& destination,
                                                             const http::OutgoingRequest& out);
  async::awaitable<void> forget_changed(const http::Request& request, const Target& target,
                                        const http::ClientResponse& answer);

  http::Sender& client_;
  http::Sender& content_client_;
  const std::chrono::milliseconds tunnel_idle_;
  store::ContentStore* const store_;
  CacheCounters& counters_;
  RecentFigures figures_;
  Invalidations& invalidations_;
  RecentNames& accepted_;
  RecentNames& silent_;
  RecentNames& unfit_;
  std::optional<CacheFills> fills_;
  RecentNames unshared_{kUnsharedMax, kUnsharedFor};
};

/// A response on its way back, without what concerned its connection only; `name` is ours in Via.
[[nodiscard]] http::Response relayed(http::ClientResponse&& from, std::string_view name);

/// The answer to a request that failed, or that is refused.
[[nodiscard]] http::Response error_response(const Error& error);

}  // namespace propeller::forward
