#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "http/connection_reader.hpp"
#include "http/framed_body.hpp"
#include "http/head_parser.hpp"
#include "http/head_writer.hpp"
#include "http/server_session.hpp"

namespace propeller::http {

/// What of a connection of HTTP/1.1 lasts from one request to another.
struct Http1Connection {
  net::Stream& stream;
  DateClock& date;
  std::uint64_t served = 0;  ///< requests
};

/// One connection of HTTP/1.1 while there is something to do: a request after the other, as long as bytes of the next
/// one have come with those of the last. Lifetime: within Server::serve().
class Http1Session final : public ServerSession, public Request {
 public:
  Http1Session(const ServerLimits& limits, ServerFigures& figures, Handler& handler, Http1Connection& connection)
      : ServerSession(limits, figures, handler, connection.stream),
        connection_(connection),
        reader_(connection.stream),
        body_(*this),
        framed_(reader_, {}) {}

  awaitable<void> run() override;
  void drain() override { is_draining_ = true; }
  /// After run(): this connection serves no further request of HTTP/1.1. Otherwise it waits for the next one.
  [[nodiscard]] bool is_over() const { return is_over_; }
  /// The client began with the preface of HTTP/2, which lies in the stream again: run() has ended for that.
  [[nodiscard]] bool is_http2_wanted() const { return is_http2_wanted_; }
  /// Who goes on with the stream, which holds what came after the request's head: run() has ended for that. Null when
  /// nobody does.
  [[nodiscard]] std::unique_ptr<Takeover> take_takeover() { return std::move(takeover_); }

  // Request
  BodySource& body() override { return body_; }
  [[nodiscard]] bool expects_continue() const override { return is_continue_due_; }
  [[nodiscard]] const net::StreamInfo& connection() const override { return stream_.info(); }
  async::TaskGroup& tasks() override { return tasks_; }
  awaitable<Result<void>> send_informational(int status, FieldView fields) override;

 private:
  /// Framing, with the promise of "100 Continue" and the limit on a body kept.
  class RequestBody final : public BodySource {
   public:
    explicit RequestBody(Http1Session& session) : session_(session) {}
    awaitable<Result<std::string_view>> read(std::size_t max) override;
    [[nodiscard]] std::optional<std::uint64_t> length() const override { return session_.framed_.length(); }
    [[nodiscard]] FieldView trailers() const override { return session_.framed_.trailers(); }

   private:
    Http1Session& session_;
  };

  enum class Next { request, end };
  awaitable<void> serve_one();
  [[nodiscard]] bool read_now();
  [[nodiscard]] std::expected<bool, Refusal> find_head();
  awaitable<bool> await_head();
  awaitable<Next> answer(Response response);
  awaitable<Result<void>> send(Response& response, bool is_last);
  awaitable<Result<void>> send_pieces(BodySource& body, std::optional<std::uint64_t> length, bool is_chunked);
  awaitable<Result<void>> send_small_file(const FileRange& range);
  awaitable<Next> hand_over(Response& response);
  awaitable<Next> after_response(bool is_last);
  Next next_request();
  awaitable<void> refuse(Refusal refusal);
  awaitable<void> linger();
  awaitable<bool> drain_body();
  [[nodiscard]] bool is_last(const Response& response) const;
  [[nodiscard]] bool is_body_left() const { return !framed_.is_complete(); }

  Http1Connection& connection_;
  ConnectionReader reader_;
  HeadFinder finder_;
  std::vector<Field> fields_;
  RequestBody body_;
  FramedBody framed_;
  std::string out_;  ///< the head that is written, or what goes between pieces of a body
  std::unique_ptr<Takeover> takeover_;
  std::size_t head_bytes_ = 0;
  bool is_over_ = false, is_draining_ = false, is_keep_alive_ = true, is_continue_due_ = false,
       is_continue_refused_ = false, is_http2_wanted_ = false;
};

}  // namespace propeller::http
