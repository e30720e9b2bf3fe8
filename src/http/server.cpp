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

awaitable<void> Server::serve(net::Stream& stream, Handler& handler) {
  ++figures_.connections;
  /// Closed however this ends.
  struct Close {
    net::Stream& stream;
    ~Close() { stream.close(); }
  };
  const Close close{stream};
  if (stream.info().tls && stream.info().tls->alpn == "h2") co_return co_await serve_http2(stream, handler);
  // The session is gone by then: a tunnel may last for days.
  const auto sequel = co_await serve_http1(stream, handler);
  if (sequel.takeover) co_await sequel.takeover->run(stream);
  if (sequel.is_http2) co_await serve_http2(stream, handler);
}

awaitable<Server::Sequel> Server::serve_http1(net::Stream& stream, Handler& handler) {
  Http1Session session(limits_, figures_, handler, stream);
  const base::Listed<ServerSession> known_to_drain(sessions_, session);
  if (is_draining_) session.drain();
  co_await run_then_join(session.run(), session.session_tasks());
  co_return Sequel{.takeover = session.take_takeover(), .is_http2 = session.is_http2_wanted()};
}

awaitable<void> Server::serve_http2(net::Stream& stream, Handler& handler) {
  Http2ServerSession session(limits_, figures_, handler, stream);
  const base::Listed<ServerSession> known_to_drain(sessions_, session);
  if (is_draining_) session.drain();
  co_await run_then_join(session.run(), session.session_tasks());
}

void Server::drain() {
  is_draining_ = true;
  for (ServerSession* const session : sessions_) session->drain();
}

}  // namespace propeller::http
