#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <string>

#include "async/task_group.hpp"
#include "http/body.hpp"
#include "http/date.hpp"
#include "http/message.hpp"
#include "http/parse_limits.hpp"
#include "net/stream.hpp"

namespace propeller::http {

/// Takes the final responses that come before the real one: 100 Continue excepted, which each hop decides for itself.
class InformationalSink {
 public:
  virtual ~InformationalSink() = default;
  /// 102..199 except 101. Errors: the receiver is gone.
  virtual awaitable<Result<void>> send_informational(int status, FieldView fields) = 0;
};

/// What a handler is asked: one request, of whichever version of HTTP.
///
/// Lifetime: until the response was sent, or broke.
class Request : public InformationalSink {
 public:
  [[nodiscard]] const RequestHead& head() const { return head_; }
  [[nodiscard]] FieldView fields() const { return head_.fields; }
  /// Without a body: length() is 0. The first read() sends "100 Continue" where the client waits for it.
  [[nodiscard]] virtual BodySource& body() = 0;
  [[nodiscard]] bool has_body() { return body().length() != 0; }
  /// The same body to give away, as to OutgoingRequest; whoever has it lets go of it before the request is gone, which
  /// coroutines in tasks() do.
  [[nodiscard]] virtual std::unique_ptr<BodySource> take_body();
  /// Whether the client said `Expect: 100-continue` and nothing was read yet.
  [[nodiscard]] virtual bool expects_continue() const = 0;
  [[nodiscard]] virtual const net::StreamInfo& connection() const = 0;
  /// For what goes on beside the response, as sending this body to an upstream: cancelled and joined before the request
  /// is gone, so that it may refer to it.
  [[nodiscard]] virtual async::TaskGroup& tasks() = 0;

 protected:
  RequestHead head_;
};

/// Goes on with the connection's bytes after the response's head: a tunnel, a WebSocket.
class Takeover {
 public:
  virtual ~Takeover() = default;
  /// `stream` is the client's connection (of HTTP/2: the stream of that request), with what it sent already in front.
  /// It is closed when run() returns.
  virtual awaitable<void> run(net::Stream& stream) = 0;
};

/// What a handler answers.
///
/// `fields` are the message's own: the session writes Date where it is missing, Connection, Content-Length and
/// Transfer-Encoding, and drops whatever `fields` says of those.
struct Response {
  int status = 200;
  Fields fields = {};
  std::unique_ptr<BodySource> body = {};  ///< none: a body of no bytes
  /// With 101 or, to CONNECT, a 2xx: there is no body then.
  std::unique_ptr<Takeover> takeover = {};
  bool is_last = false;  ///< closes an HTTP/1 connection after this response
};

/// "text/plain" and a line, for errors.
[[nodiscard]] Response text_response(int status, std::string text);

class Handler {
 public:
  virtual ~Handler() = default;
  /// Never throws but to unwind when cancelled.
  virtual awaitable<Response> handle(Request& request) = 0;
  /// A request that was refused before it became one: `status` was answered and the connection is being closed.
  virtual void refused(const net::StreamInfo& connection, int status, std::string_view reason);
};

/// Bounds of HTTP/2 connections, both as a server and as a client.
struct Http2Limits {
  std::uint32_t streams_max = 100;
  std::uint32_t stream_window_bytes = 256 * 1024;       ///< of a body that nobody reads yet
  std::uint32_t connection_window_bytes = 1024 * 1024;  ///< of all bodies of a connection
  /// Frames that make work without asking for any (PING, SETTINGS, RST_STREAM, PRIORITY, empty DATA …), in any ten
  /// seconds, besides one for each request.
  std::uint32_t control_frames_max = 500;
};

struct ServerLimits {
  ParseLimits parse = {};
  std::chrono::milliseconds head_timeout{10'000};   ///< from a request's first byte to the end of its head
  std::chrono::milliseconds idle_timeout{60'000};   ///< between two requests, and before the first
  std::chrono::milliseconds read_timeout{30'000};   ///< without a byte of a body that is being read
  std::chrono::milliseconds write_timeout{30'000};  ///< without a byte taken by the client
  std::chrono::milliseconds linger_timeout{2'000};  ///< for the client to read an error before the connection goes
  std::uint64_t requests_max = 100'000;             ///< on one connection
  std::uint64_t body_bytes_max = std::uint64_t{1} << 62;  ///< longer: 413
  std::uint64_t drain_bytes_max = 256 * 1024;             ///< of a body the handler left, read to keep the connection
  Http2Limits http2 = {};
};

class ServerSession;
struct Http1Connection;

/// The figures of one Server; the owner adds those of all cores.
struct ServerFigures {
  std::uint64_t connections = 0, requests = 0, refused = 0, broken = 0;
  std::uint64_t http2_connections = 0;
};

/// The serving side of HTTP on one core: HTTP/1.1 and HTTP/2 on connections that somebody else accepted.
///
/// Order:    responses leave in the order of their requests (HTTP/1), pipelined or not.
/// Bound:    per connection a head and, while a body is read, kBodyBufferBytesMax; ServerLimits for all else.
/// Errors:   answered on the wire (400, 408, 413, 414, 431, 505 …) and told to Handler::refused.
/// Threads:  one core.
/// Lifetime: outlives every serve() that runs.
/// Source:   RFC 9110, 9112, 9113
class Server {
 public:
  explicit Server(ServerLimits limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves requests until the connection ends; closes it. HTTP/2 when ALPN says so or the client begins with its
  /// preface. Cancellation closes at once.
  awaitable<void> serve(net::Stream& stream, Handler& handler);

  /// From now on every response is the last of its connection, and connections without a request are closed.
  void drain();
  [[nodiscard]] bool is_draining() const { return is_draining_; }
  [[nodiscard]] const ServerLimits& limits() const { return limits_; }
  [[nodiscard]] const ServerFigures& figures() const { return figures_; }

 private:
  /// What becomes of a connection of HTTP/1.1 when no further request has come; it waits for one by default.
  struct Sequel {
    std::unique_ptr<Takeover> takeover;
    bool is_http2 = false, is_over = false;
  };
  awaitable<Sequel> answer(Http1Connection& connection, Handler& handler);
  awaitable<void> serve_http1(net::Stream& stream, Handler& handler);
  awaitable<void> serve_http2(net::Stream& stream, Handler& handler);

  const ServerLimits limits_;
  ServerFigures figures_;
  bool is_draining_ = false;
  std::list<ServerSession*> sessions_;
  std::list<net::Stream*> idle_;  ///< connections of HTTP/1 that wait for a request
  DateClock date_;
};

}  // namespace propeller::http
