#include "http/framed_body.hpp"

#include <algorithm>

namespace propeller::http {

using Kind = BodyFraming::Kind;

void FramedBody::begin(BodyFraming framing) {
  // The decoder is large, and most messages have no use for it.
  if (framing_.kind == Kind::chunked) decoder_ = {};
  framing_ = framing;
  left_ = framing.length;
  bytes_read_ = 0;
  is_complete_ = framing.kind == Kind::none;
  is_touched_ = is_broken_ = false;
}

std::optional<std::uint64_t> FramedBody::length() const {
  switch (framing_.kind) {
    case Kind::none: return 0;
    case Kind::length: return framing_.length;
    default: return std::nullopt;
  }
}

awaitable<Result<std::string_view>> FramedBody::read(std::size_t max) {
  is_touched_ = true;
  if (is_complete_) co_return std::string_view();
  if (is_broken_) co_return broken("the body was broken before");
  if (framing_.kind == Kind::chunked) co_return co_await read_chunked(max);
  if (framing_.kind == Kind::length) max = std::min<std::uint64_t>(max, left_);
  if (reader_.body_input().empty()) {
    const auto got = co_await reader_.fill_body(max);
    if (!got) {
      is_broken_ = true;
      co_return std::unexpected(got.error());
    }
    if (*got == 0 && framing_.kind == Kind::length) co_return broken("the connection ended within a body");
    if (*got == 0) {
      is_complete_ = true;
      co_return std::string_view();
    }
  }
  co_return give(std::min(max, reader_.body_input().size()));
}

Result<std::string_view> FramedBody::give(std::size_t size) {
  const std::string_view bytes = reader_.body_input().substr(0, size);
  reader_.take_body(size);
  bytes_read_ += size;
  if (framing_.kind == Kind::length) {
    left_ -= size;
    is_complete_ = left_ == 0;
  }
  return bytes;
}

awaitable<Result<std::string_view>> FramedBody::read_chunked(std::size_t max) {
  for (;;) {
    if (reader_.body_input().empty()) {
      const auto got = co_await reader_.fill_body(ConnectionReader::kBodyBufferBytes);
      if (!got) {
        is_broken_ = true;
        co_return std::unexpected(got.error());
      }
      if (*got == 0) co_return broken("the connection ended within a body");
    }
    const auto step = decoder_.decode(reader_.body_input(), max);
    if (!step) co_return broken(step.error().reason);
    reader_.take_body(step->consumed);
    bytes_read_ += step->data.size();
    if (!step->data.empty()) co_return step->data;
    if (decoder_.is_done()) {
      is_complete_ = true;
      co_return std::string_view();
    }
  }
}

std::unexpected<Error> FramedBody::broken(std::string_view why) {
  is_broken_ = true;
  return fail(Code::protocol_error, reader_.stream().origin(), std::string(why));
}

}  // namespace propeller::http
