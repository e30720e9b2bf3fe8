#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "async/task_group.hpp"
#include "http/body.hpp"
#include "http/message.hpp"
#include "http/parse_limits.hpp"
#include "http/server.hpp"
#include "net/stream.hpp"

namespace propeller::http {

/// `by_alpn`: where the connector's handshake chose "h2". `never` tells the connector not to offer it, as for an
/// upgrade. `assumed`: without asking, as of a gRPC server in the clear.
enum class Http2Use { never, by_alpn, assumed };

/// Where a request goes; what is equal may share connections.
struct Destination {
  std::string scheme = "http";  ///< "http" or "https"
  std::string host;             ///< a name or an address, without brackets
  std::uint16_t port = 80;
  std::string via;          ///< an upstream proxy's URL; empty: straight
  std::string tls_profile;  ///< the connector's name for a set of TLS settings; empty: the usual ones
  Http2Use http2 = Http2Use::by_alpn;

  friend bool operator==(const Destination&, const Destination&) = default;
  /// "https://example.org:443", with what else tells destinations apart; not for people.
  [[nodiscard]] std::string key() const;
};

/// Makes the connections of a Client: TCP, TLS, through an upstream proxy. HTTP/2 is spoken where the stream's
/// `info().tls` says that ALPN chose "h2".
///
/// Errors: of the connection, with their code (dns_failed, connection_refused, tls_certificate, timeout …). Keeps its
/// own
///         deadline.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual awaitable<Result<std::unique_ptr<net::Stream>>> connect(const Destination& destination) = 0;
};

/// A request on its way out. The client writes Content-Length or Transfer-Encoding by the body, and drops whatever
/// `fields` says of those and of Connection; Host is written from `authority`.
struct OutgoingRequest {
  std::string method = "GET";
  std::string authority;   ///< "host[:port]" for Host, and of CONNECT the target
  std::string path = "/";  ///< path and query
  Fields fields = {};
  /// None: a request without a body.
  std::unique_ptr<BodySource> body = {};
  /// Needed with a body: where it is sent from, while the response comes in; the body is gone when the task has ended.
  /// As a rule Request::tasks().
  async::TaskGroup* tasks = nullptr;
  InformationalSink* informational = nullptr;  ///< where 1xx go; none: nowhere
  std::string upgrade;                         ///< "websocket": asks for this protocol, see ClientResponse::upgraded
  /// "http": asks in absolute-form, of an HTTP proxy that is spoken to without a tunnel. Empty: in origin-form.
  std::string absolute_scheme = {};
  /// Names of those fields that may be a secret between us and this origin: a redirect takes them nowhere else.
  std::vector<std::string> secret_fields = {};
};

struct ClientResponse {
  int status = 0;
  std::string reason;
  Version version = Version::http_1_1;
  Fields fields = {};
  /// Never null. Destroyed before its end, it ends the connection (HTTP/1) or the stream (HTTP/2).
  std::unique_ptr<BodySource> body = {};
  /// After 101, and after a 2xx to CONNECT: the connection, with what came behind the head in front.
  std::unique_ptr<net::Stream> upgraded = {};
  bool is_reused = false;  ///< came over a connection that had served before
};

struct ClientLimits {
  ParseLimits parse = {};
  std::size_t idle_per_destination_max = 32;
  std::size_t idle_max = 512;
  std::size_t connections_max = 8192;                    ///< open ones; beyond: limit_exceeded
  std::chrono::milliseconds idle_timeout{60'000};        ///< in the pool
  std::chrono::milliseconds first_byte_timeout{60'000};  ///< from the request's end to the response's head
  std::chrono::milliseconds read_timeout{30'000};        ///< without a byte of the response's body
  std::chrono::milliseconds write_timeout{30'000};       ///< without a byte taken by the upstream
  std::size_t informational_max = 16;                    ///< 1xx before one response
  Http2Limits http2 = {};
};

/// Asks somebody on the way to a response: the client itself, or what prepares requests for it.
///
/// Lifetime: outlives the responses' bodies.
class Sender {
 public:
  virtual ~Sender() = default;
  /// The response's head has come; its body is pulled.
  [[nodiscard]] virtual awaitable<Result<ClientResponse>> send(const Destination& destination,
                                                               OutgoingRequest& request) = 0;
};

class ClientPool;

/// The asking side of HTTP on one core, with its pool of connections.
///
/// Order:    the connection used last is used next, so that those not needed time out.
/// Bound:    ClientLimits.
/// Errors:   protocol_error for a response that is malformed, timeout, connection_reset, limit_exceeded, those of the
///           connector; all of Origin::upstream. What the request's body fails with keeps its own origin.
/// Retry:    once, on a new connection, when one from the pool turned out to be closed before a byte of a response
/// came:
///           for an idempotent request of whose body nothing was read. Any other, where an upstream of HTTP/2 says that
///           it has not worked on it.
/// Threads:  one core.
/// Lifetime: outlives the responses' bodies; stop() before the end.
/// Source:   RFC 9110, 9112, 9113
class Client final : public Sender {
 public:
  Client(async::asio::any_io_executor executor, Connector& connector, ClientLimits limits);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The response's head has come; its body is pulled. Also while the request's body is still being sent.
  [[nodiscard]] awaitable<Result<ClientResponse>> send(const Destination& destination,
                                                       OutgoingRequest& request) override;

  /// Closes the idle connections and waits for the client's own coroutines.
  awaitable<void> stop();

  [[nodiscard]] std::size_t idle() const;
  [[nodiscard]] std::size_t open() const;

 private:
  awaitable<Result<ClientResponse>> send_on_new_connection(const Destination& destination, const std::string& key,
                                                           OutgoingRequest& request);

  Connector& connector_;
  std::unique_ptr<ClientPool> pool_;
};

}  // namespace propeller::http
