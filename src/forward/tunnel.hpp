#pragma once

#include <chrono>
#include <memory>

#include "config/forward_settings.hpp"
#include "forward/connector.hpp"
#include "forward/first_bytes.hpp"
#include "forward/forwarder.hpp"
#include "forward/observed_handler.hpp"
#include "forward/recent_names.hpp"
#include "http/server.hpp"
#include "net/server_tls.hpp"
#include "store/content_store.hpp"

namespace propeller::forward {

/// A tunnel that may be opened: its target passed the policy.
struct OpenTunnel {
  Target target;
  std::unique_ptr<net::Stream> upstream = {};  ///< none: nobody has connected to the target yet
};

/// What tunnels need of their core. Lifetime: outlives the Tunnels.
struct TunnelParts {
  Connector& connector;
  http::Server& server;
  Forwarder& forwarder;
  net::ServerTls& tls;
  RecentNames& refusing;       ///< hosts whose clients refused our certificate
  RecentNames& intercepted;    ///< targets whose tunnels were read here, on whichever core
  store::ContentStore* store;  ///< null: nothing is kept
  Observer& observer;
};

/// The tunnels of one core, whoever asked for them: CONNECT or SOCKS.
///
/// Order:    open() says whether there is a tunnel, the caller tells its client, run() carries it to its end. What the
///           client says first decides: TLS is intercepted, unless it is for another protocol by ALPN, a request of
///           HTTP/1 answered, all else carried untouched, as are hosts that pass through. Whoever stays silent waits
///           for the server to speak: that is carried, too.
/// Dialling: the client is told of success when the target was reached. Two kinds of target are not dialled beforehand,
///           because what comes will be answered here, perhaps from the store, and an error becomes an answer inside:
///           ports 80 and 443, and targets whose tunnels were intercepted before. A target that cannot be reached is
///           answered here, too, when the store has something of it.
/// Bound:    kTunnelStartBytesMax bytes are looked at, `timeouts.read` from the first of them on.
/// Errors:   open(): not_allowed, those of Connector::dial().
/// Threads:  one core.
/// Source:   docs/life_of_a_forward_request.md
class Tunnels {
 public:
  /// How long a client may be silent before it is taken for one that waits for the server to speak.
  static constexpr std::chrono::milliseconds kServerSpeaksFirst{300};

  Tunnels(TunnelParts parts, const config::ForwardTimeouts& timeouts, PolicyPtr policy)
      : parts_(parts), timeouts_(timeouts), policy_(std::move(policy)) {}

  void set_policy(PolicyPtr policy) { policy_ = std::move(policy); }

  /// `target.scheme` does not matter.
  async::awaitable<Result<OpenTunnel>> open(Target target);
  /// Lifetime: `tunnel` is kept until it returns.
  async::awaitable<void> run(net::Stream& client, OpenTunnel& tunnel);

 private:
  class Handler;
  struct Inside;
  enum class Speaker { client, other };

  [[nodiscard]] bool passes_through(std::string_view host) const;
  [[nodiscard]] bool is_answered_here(const Target& target) const;
  [[nodiscard]] bool is_read_here(const TunnelStart& start) const;
  async::awaitable<Result<TunnelStart>> look_at(net::Stream& client, OpenTunnel& tunnel);
  async::awaitable<Result<Speaker>> wait_for_more(net::Stream& client, const TunnelStart& start,
                                                  std::chrono::steady_clock::time_point deadline);
  async::awaitable<Result<Speaker>> wait_for_first(net::Stream& client, OpenTunnel& tunnel);
  async::awaitable<Result<void>> dial(OpenTunnel& tunnel);
  [[nodiscard]] async::awaitable<bool> has_content_of(const Target& target) const;
  async::awaitable<Result<std::unique_ptr<Inside>>> begin(net::Stream& client, OpenTunnel& tunnel);
  async::awaitable<Result<std::unique_ptr<net::Stream>>> intercept(net::Stream& client, const std::string& host);
  async::awaitable<void> splice(net::Stream& client, OpenTunnel& tunnel);

  const TunnelParts parts_;
  const config::ForwardTimeouts timeouts_;
  PolicyPtr policy_;
};

}  // namespace propeller::forward
