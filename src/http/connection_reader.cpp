#include "http/connection_reader.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace propeller::http {

std::span<char> ConnectionReader::make_room() {
  if (filled_ == capacity_) reallocate(std::max(2 * capacity_, kFirstReadBytes), buffered());
  return {head_.get() + filled_, capacity_ - filled_};
}

void ConnectionReader::reallocate(std::size_t capacity, std::string_view kept) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (!kept.empty()) std::memcpy(larger.get(), kept.data(), kept.size());
  filled_ = kept.size();
  head_ = std::move(larger);
  capacity_ = capacity;
}

awaitable<Result<std::size_t>> ConnectionReader::fill() {
  const auto got = co_await stream_.read_some(make_room());
  if (got) filled_ += *got;
  co_return got;
}

std::string_view ConnectionReader::body_input() const {
  if (body_begin_ < body_end_) return {body_.get() + body_begin_, body_end_ - body_begin_};
  return buffered().substr(taken_);
}

void ConnectionReader::take_body(std::size_t bytes) {
  if (body_begin_ < body_end_) {
    body_begin_ += bytes;
    ASSERT(body_begin_ <= body_end_);
  } else {
    taken_ += bytes;
    ASSERT(taken_ <= filled_);
  }
}

awaitable<Result<std::size_t>> ConnectionReader::fill_body(std::size_t max) {
  ASSERT(body_begin_ == body_end_ && taken_ == filled_);
  if (const auto wanted = std::clamp(max, kBodyBufferBytes, kBodyBufferBytesMax); wanted > body_capacity_) {
    body_.reset();
    body_ = std::make_unique_for_overwrite<char[]>(wanted);
    body_capacity_ = wanted;
  }
  const auto got = co_await stream_.read_some({body_.get(), std::min(max, body_capacity_)});
  body_begin_ = 0;
  body_end_ = got.value_or(0);
  co_return got;
}

void ConnectionReader::end_message() {
  const std::string_view rest = body_input();
  if (rest.empty()) {
    head_.reset();
    capacity_ = filled_ = 0;
  } else {
    reallocate(std::max(rest.size(), kFirstReadBytes), rest);
  }
  taken_ = body_capacity_ = body_begin_ = body_end_ = 0;
  body_.reset();
}

}  // namespace propeller::http
