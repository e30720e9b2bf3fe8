#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "http/client_pool.hpp"
#include "http/connection_reader.hpp"
#include "http/framed_body.hpp"
#include "http/head_parser.hpp"

namespace propeller::http {

/// One connection of HTTP/1.1 to an upstream: one request at a time.
///
/// Errors:   of Origin::upstream; after one the connection is not used again.
/// Lifetime: shared by the pool, the response's body and the task that sends the request's body; with the last of them
///           it closes.
class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  ClientConnection(ClientPool& pool, ClientPool::Slot slot, std::string key, std::unique_ptr<net::Stream> stream);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  [[nodiscard]] awaitable<Result<ClientResponse>> exchange(OutgoingRequest& request);

  [[nodiscard]] bool has_input() { return stream_->has_input(); }
  [[nodiscard]] bool is_reused() const { return served_ > 1; }
  /// The last exchange failed before anything came back, and before anything was taken of a body that cannot be read
  /// again: on a connection that was idle this is its end, not an answer.
  [[nodiscard]] bool is_retry_safe() const { return !has_response_begun_ && !is_body_touched_; }

 private:
  class Body;
  [[nodiscard]] awaitable<Result<void>> send_head(OutgoingRequest& request);
  static awaitable<void> send_body(std::shared_ptr<ClientConnection> self, std::unique_ptr<BodySource> body,
                                   bool is_chunked);
  awaitable<Result<void>> copy_body(BodySource& body, bool is_chunked);
  awaitable<void> await_answer();
  [[nodiscard]] awaitable<Result<ParsedResponse>> read_head(Method asked);
  [[nodiscard]] awaitable<Result<ParsedResponse>> read_final_head(OutgoingRequest& request, Method asked);
  ClientResponse make_response(const ParsedResponse& parsed, Method asked);
  void response_ended(bool is_whole);
  void give_back();
  [[nodiscard]] std::unexpected<Error> unanswered() const;

  ClientPool& pool_;
  const ClientPool::Slot slot_;
  const std::string key_;
  std::unique_ptr<net::Stream> stream_;
  ConnectionReader reader_;
  FramedBody framed_;
  HeadFinder finder_;
  std::vector<Field> fields_;
  std::string out_;
  async::asio::steady_timer answer_timer_;  ///< from the end of a body that is sent to the response
  Error body_error_;                        ///< why the request's body could not be sent whole
  std::uint64_t served_ = 0;
  bool is_keep_alive_ = false, is_sending_ = false, is_send_broken_ = false, is_response_whole_ = false,
       has_response_begun_ = false, is_answered_ = false, is_body_touched_ = false, is_answer_late_ = false,
       has_body_failed_ = false;
};

}  // namespace propeller::http
