#pragma once

#include <memory>

#include "http/client_pool.hpp"
#include "http/http2_connection.hpp"

namespace propeller::http {

/// One connection of HTTP/2 to an upstream, for as many requests at a time as both sides allow.
///
/// Lifetime: shared by the pool that drives it and by the bodies that go through it; with the last of them it closes.
class Http2ClientConnection final : public std::enable_shared_from_this<Http2ClientConnection>, public Http2Connection {
 public:
  Http2ClientConnection(ClientPool& pool, ClientPool::Slot slot, std::unique_ptr<net::Stream> stream);
  ~Http2ClientConnection() override;

  awaitable<void> drive();
  struct Attempt {
    Result<ClientResponse> response;
    bool was_unworked = false;  ///< it failed, and the upstream has not worked on it
    bool was_cut_off = false;   ///< it failed with a connection that had served before
  };
  [[nodiscard]] awaitable<Attempt> exchange(const std::string& scheme, OutgoingRequest& request);

  [[nodiscard]] bool takes_requests() const;

 private:
  class Exchange;
  class Body;
  std::shared_ptr<Http2Stream> opened(std::int32_t) override { return nullptr; }
  [[nodiscard]] std::shared_ptr<Exchange> submit(const std::string& scheme, const OutgoingRequest& request);
  void begin_body(const std::shared_ptr<Exchange>& exchange, OutgoingRequest& request);
  /// One thing: the parameters of a coroutine go in an order that depends on the compiler, and the stream has to go
  /// before its connection.
  struct Sending {
    std::shared_ptr<Http2ClientConnection> connection;
    std::shared_ptr<Exchange> exchange;
  };
  static awaitable<void> send_body(Sending sending, std::unique_ptr<BodySource> body);
  void note(const Error& error);
  [[nodiscard]] awaitable<Result<void>> await_head(Exchange& exchange, const OutgoingRequest& request);

  ClientPool& pool_;
  const ClientPool::Slot slot_;
  const std::unique_ptr<net::Stream> owned_;
  async::TaskGroup tasks_;
  std::uint64_t asked_ = 0;
};

}  // namespace propeller::http
