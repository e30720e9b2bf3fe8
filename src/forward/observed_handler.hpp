#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "forward/recorder.hpp"
#include "http/server.hpp"

namespace propeller::forward {

/// What became of the requests of all cores. Threads: any.
struct RequestCounters {
  std::atomic<std::uint64_t> requests = 0;  ///< CONNECT among them
  std::atomic<std::uint64_t> refused = 0;   ///< 403: the allow-list, or a target that is never reached
  std::atomic<std::uint64_t> logins = 0;    ///< 407
  std::atomic<std::uint64_t> failed = 0;    ///< 502 and 504 of our own: the upstream was not reached, or failed
};

/// Whoever watches requests go by.
struct Observer {
  RequestCounters counters;
  std::unique_ptr<Recorder> recorder;  ///< null: nothing is recorded
};

/// Counts what another handler answers, and records it when recording is on: the request as the client sent it, the
/// response as it gets it, both bodies as they pass, up to the recorder's limit. The line is written when the response
/// has gone, also when it broke.
///
/// Pressure: none of its own; the recorder drops what it has no room for.
/// Threads:  one core.
/// Lifetime: `inner` and `observer` outlive it, the observer every response.
class ObservedHandler final : public http::Handler {
 public:
  /// `scheme`, a constant, is that of targets which name none: of what comes through a tunnel.
  ObservedHandler(http::Handler& inner, Observer& observer, std::string_view scheme)
      : inner_(inner), observer_(observer), scheme_(scheme) {}

  http::awaitable<http::Response> handle(http::Request& request) override;
  void refused(const net::StreamInfo& connection, int status, std::string_view reason) override {
    inner_.refused(connection, status, reason);
  }

 private:
  http::awaitable<http::Response> handle_recorded(http::Request& request);

  http::Handler& inner_;
  Observer& observer_;
  const std::string_view scheme_;
};

}  // namespace propeller::forward
