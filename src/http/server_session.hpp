#pragma once

#include "http/server.hpp"

namespace propeller::http {

/// What the sessions of both versions have in common. Lifetime: within Server::serve().
class ServerSession {
 public:
  ServerSession(const ServerLimits& limits, ServerFigures& figures, Handler& handler, net::Stream& stream)
      : limits_(limits), figures_(figures), handler_(handler), stream_(stream), tasks_(stream.executor()) {}
  virtual ~ServerSession() = default;
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  /// Until the connection is of no more use.
  virtual awaitable<void> run() = 0;
  /// Ends after what is being answered; at once when nothing is.
  virtual void drain() = 0;

  /// What was started and must have ended before the session goes.
  [[nodiscard]] async::TaskGroup& session_tasks() { return tasks_; }

 protected:
  const ServerLimits& limits_;
  ServerFigures& figures_;
  Handler& handler_;
  net::Stream& stream_;
  async::TaskGroup tasks_;
};

}  // namespace propeller::http
