#include "http/server.hpp"

#include "base/listed.hpp"
#include "http/http1_session.hpp"
#include "http/http2_server.hpp"
#include "http/run_then_join.hpp"

namespace propeller::http {

namespace {

/// Passes reads on to a body that stays with its request.
class LentBody final : public BodySource {
 public:
  explicit LentBody(BodySource& body) : body_(body) {}
  awaitable<Result<std::string_view>> read(std::size_t max) override { return body_.read(max); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return body_.length(); }
  [[nodiscard]] FieldView trailers() const override { return body_.trailers(); }
  [[nodiscard]] std::optional<std::string_view> memory() const override { return body_.memory(); }

 private:
  BodySource& body_;
};

/// Closed however serving it ends.
struct Close {
  net::Stream& stream;
  ~Close() { stream.close(); }
};

}  // namespace

std::unique_ptr<BodySource> Request::take_body() { return std::make_unique<LentBody>(body()); }

void Handler::refused(const net::StreamInfo&, int, std::string_view) {}

Response text_response(int status, std::string text) {
  Response response{.status = status};
  response.fields.add_view("Content-Type", "text/plain; charset=utf-8");
  response.body = std::make_unique<MemoryBody>(std::move(text));
  return response;
}

Server::Server(ServerLimits limits) : limits_(limits) {}

Server::~Server() = default;

// No coroutine: one less in every connection that waits.
awaitable<void> Server::serve(net::Stream& stream, Handler& handler) {
  ++figures_.connections;
  if (stream.info().tls && stream.info().tls->alpn == "h2") return serve_http2(stream, handler);
  return serve_http1(stream, handler);
}

awaitable<void> Server::serve_http1(net::Stream& stream, Handler& handler) {
  const Close close{stream};
  stream.set_timeouts({.read = limits_.idle_timeout, .write = limits_.write_timeout});
  Http1Connection connection{.stream = stream, .date = date_};
  while (!is_draining_) {
    {
      // Nothing else is kept of a connection that is idle, as most are most of the time: no session, no buffer.
      const base::Listed<net::Stream> known_to_drain(idle_, stream);
      if (!co_await stream.wait_input()) co_return;
    }
    const auto sequel = co_await answer(connection, handler);
    // The session is gone by then: a tunnel may last for days.
    if (sequel.takeover) co_return co_await sequel.takeover->run(stream);
    if (sequel.is_http2) co_return co_await serve_http2(stream, handler);
    if (sequel.is_over) co_return;
  }
}

/// What has come of requests, to the last of them.
awaitable<Server::Sequel> Server::answer(Http1Connection& connection, Handler& handler) {
  Http1Session session(limits_, figures_, handler, connection);
  const base::Listed<ServerSession> known_to_drain(sessions_, session);
  co_await run_then_join(session.run(), session.session_tasks());
  co_return Sequel{
      .takeover = session.take_takeover(), .is_http2 = session.is_http2_wanted(), .is_over = session.is_over()};
}

awaitable<void> Server::serve_http2(net::Stream& stream, Handler& handler) {
  const Close close{stream};
  Http2ServerSession session(limits_, figures_, handler, stream);
  const base::Listed<ServerSession> known_to_drain(sessions_, session);
  if (is_draining_) session.drain();
  co_await run_then_join(session.run(), session.session_tasks());
}

void Server::drain() {
  is_draining_ = true;
  for (ServerSession* const session : sessions_) session->drain();
  for (net::Stream* const stream : idle_) stream->close();
}

}  // namespace propeller::http
