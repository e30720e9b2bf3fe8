#include "http/server.hpp"

#include <boost/asio/this_coro.hpp>
#include <exception>

#include "http/http1_session.hpp"

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

/// Runs the session, and waits for what it started also when it unwinds: that refers to it.
awaitable<void> run_to_the_end(ServerSession& session) {
  std::exception_ptr unwinding;
  try {
    co_await session.run();
  } catch (...) {
    unwinding = std::current_exception();
  }
  if (session.session_tasks().size() > 0) {
    co_await async::asio::this_coro::reset_cancellation_state();
    session.session_tasks().cancel();
    co_await session.session_tasks().join();
  }
  if (unwinding) std::rethrow_exception(unwinding);
}

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
  /// Known to drain() for as long as it runs, and closed behind it.
  struct Registration {
    std::list<ServerSession*>& sessions;
    net::Stream& stream;
    std::list<ServerSession*>::iterator place;
    ~Registration() {
      sessions.erase(place);
      stream.close();
    }
  };
  Http1Session session(limits_, figures_, handler, stream);
  const Registration registration{sessions_, stream, sessions_.insert(sessions_.end(), &session)};
  if (is_draining_) session.drain();
  co_await run_to_the_end(session);
}

void Server::drain() {
  is_draining_ = true;
  for (ServerSession* const session : sessions_) session->drain();
}

}  // namespace propeller::http
