#pragma once

#include "http/body.hpp"
#include "http/chunked.hpp"
#include "http/connection_reader.hpp"
#include "http/message.hpp"

namespace propeller::http {

/// The body of the message whose head came last over an HTTP/1 connection.
///
/// Errors: those of the stream; protocol_error when the framing is broken or the connection ends too early.
class FramedBody final : public BodySource {
 public:
  FramedBody(ConnectionReader& reader, BodyFraming framing) : reader_(reader), framing_(framing) { begin(framing); }

  /// For the next message.
  void begin(BodyFraming framing);

  awaitable<Result<std::string_view>> read(std::size_t max) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override;
  [[nodiscard]] FieldView trailers() const override { return decoder_.trailers(); }

  /// The end was seen: what follows is the next message.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  /// What follows cannot be told from the body.
  [[nodiscard]] bool is_broken() const { return is_broken_; }
  [[nodiscard]] bool is_touched() const { return is_touched_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  awaitable<Result<std::string_view>> read_chunked(std::size_t max);
  Result<std::string_view> give(std::size_t size);
  std::unexpected<Error> broken(std::string_view why);

  ConnectionReader& reader_;
  BodyFraming framing_;
  ChunkDecoder decoder_;
  std::uint64_t left_ = 0, bytes_read_ = 0;
  bool is_complete_ = false, is_touched_ = false, is_broken_ = false;
};

}  // namespace propeller::http
