#pragma once

#include <curl/curl.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <unordered_set>

#include "async/core.hpp"

namespace propeller::registry {

/// A libcurl multi handle that runs on a core: curl's sockets in an epoll set of its own, which Asio watches.
///
/// Order:    add() and remove() from coroutines, never from within a callback of curl.
/// Bound:    idle connections are kept, kIdleConnectionsMax in all; TLS sessions are shared between transfers.
/// Threads:  one core.
/// Lifetime: outlives every handle that was added. While no transfer runs it holds no work on the io_context.
class CurlMulti {
 public:
  static constexpr long kIdleConnectionsMax = 16;

  /// What is told when a handle is through; the handle's CURLOPT_PRIVATE points at one.
  class Listener {
   public:
    /// Within CurlMulti's own loop: must not add or remove handles.
    virtual void on_finished(CURLcode code) = 0;

   protected:
    ~Listener() = default;
  };

  explicit CurlMulti(async::asio::any_io_executor executor);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  void add(CURL* handle);
  void remove(CURL* handle);
  [[nodiscard]] CURLSH* share() const { return share_; }
  [[nodiscard]] const async::asio::any_io_executor& executor() const { return executor_; }

 private:
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* socket_data);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  void watch(curl_socket_t socket, int what);
  void arm_poll();
  void on_ready();
  void act(curl_socket_t socket, int events);
  void collect_finished();

  async::asio::any_io_executor executor_;
  CURLM* multi_;
  CURLSH* share_;
  async::asio::posix::stream_descriptor epoll_;
  async::asio::steady_timer timer_;
  std::unordered_set<curl_socket_t> watched_;
  bool is_poll_armed_ = false;
  std::uint64_t poll_generation_ = 0;  ///< a wait of an earlier one is void
  // Handlers that Asio has queued already cannot be called back: they look here whether we are still there.
  std::shared_ptr<const bool> life_;
};

}  // namespace propeller::registry
