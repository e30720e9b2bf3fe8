#include "http/body.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace propeller::http {

awaitable<Result<std::string_view>> EmptyBody::read(std::size_t) { co_return std::string_view(); }

awaitable<Result<std::string_view>> MemoryBody::read(std::size_t max) {
  const std::string_view piece = bytes_.substr(read_, max);
  read_ += piece.size();
  co_return piece;
}

std::optional<std::string_view> MemoryBody::memory() const {
  if (read_ > 0) return std::nullopt;
  return bytes_;
}

awaitable<Result<std::string_view>> FileBody::read(std::size_t max) {
  const std::size_t wanted = std::min<std::uint64_t>(max, count_ - read_);
  if (wanted == 0) co_return std::string_view();
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  ssize_t got = 0;
  do {
    got = ::pread(file_->get(), buffer_.data(), wanted, static_cast<off_t>(offset_ + read_));
  } while (got < 0 && errno == EINTR);
  if (got < 0) co_return fail(Code::io, Origin::internal, std::string("cannot read a body: ") + std::strerror(errno));
  if (got == 0) co_return fail(Code::io, Origin::internal, "a body's file is shorter than it should be");
  read_ += static_cast<std::uint64_t>(got);
  co_return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
}

std::optional<FileRange> FileBody::file_range() const {
  if (read_ > 0) return std::nullopt;
  return FileRange{.file = file_->get(), .offset = offset_, .count = count_};
}

awaitable<Result<std::string>> read_all(BodySource& body, std::size_t bytes_max) {
  std::string whole;
  for (;;) {
    const auto bytes = co_await body.read(bytes_max - whole.size() + 1);
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return whole;
    if (bytes->size() > bytes_max - whole.size()) {
      co_return fail(Code::too_large, Origin::client, "the body is too large");
    }
    whole += *bytes;
  }
}

}  // namespace propeller::http
