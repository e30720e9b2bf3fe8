#pragma once

#include "http/date.hpp"
#include "http/http2_connection.hpp"
#include "http/server_session.hpp"

namespace propeller::http {

/// One connection of HTTP/2 that a client opened: every stream is a request, and a coroutine of its own.
///
/// Bound:    Http2Limits::streams_max open streams, and as many again whose client has left but whose handler has not
///           noticed; more are refused.
/// Lifetime: within Server::serve().
class Http2ServerSession final : public ServerSession, public Http2Connection {
 public:
  Http2ServerSession(const ServerLimits& limits, ServerFigures& figures, Handler& handler, net::Stream& stream);

  awaitable<void> run() override { return Http2Connection::run(tasks_); }
  void drain() override { wind_down(); }

 private:
  class Exchange;
  std::shared_ptr<Http2Stream> opened(std::int32_t id) override;

  DateClock date_;
  std::size_t running_ = 0;  ///< exchanges whose stream is open or whose handler has not ended
};

}  // namespace propeller::http
