#include "registry/blob_download.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "registry/content_range.hpp"

namespace propeller::registry {

BlobDownload::BlobDownload(Fetcher& fetcher, BlobOrder order, Received received)
    : fetcher_(fetcher),
      request_(std::move(order.request)),
      digest_(order.digest),
      size_(order.size),
      stall_timeout_(order.stall_timeout),
      hash_(std::move(received.hash)),
      received_(received.bytes) {
  request_.buffer_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(size_, kBufferBytes));
}

async::awaitable<Result<void>> BlobDownload::open() {
  if (received_ == size_) co_return Result<void>{};  // only the verdict is missing
  for (;;) {
    auto opened = co_await request_rest();
    if (opened) co_return Result<void>{};
    if (auto waited = co_await wait_for_retry(std::move(opened.error())); !waited) co_return waited;
  }
}

async::awaitable<Result<std::span<const std::byte>>> BlobDownload::read(std::size_t bytes_max) {
  while (!is_verified_) {
    if (received_ == size_) {
      // The end of the answer is still on its way sometimes; after it the connection serves the next request.
      if (exchange_) co_await exchange_->drain();
      if (auto verified = verify(); !verified) co_return std::unexpected(verified.error());
      break;
    }
    auto bytes = co_await read_once(bytes_max);
    if (!bytes) {
      if (auto waited = co_await wait_for_retry(std::move(bytes.error())); !waited)
        co_return std::unexpected(waited.error());
      continue;
    }
    hash_.update(*bytes);
    received_ += bytes->size();
    co_return *bytes;
  }
  co_return std::span<const std::byte>{};
}

async::awaitable<Attempt<std::span<const std::byte>>> BlobDownload::read_once(std::size_t bytes_max) {
  if (!exchange_) {
    if (auto opened = co_await request_rest(); !opened) co_return std::unexpected(opened.error());
  }
  auto bytes = co_await read_at_pace(bytes_max);
  if (!bytes) co_return bytes;
  if (bytes->empty())
    co_return try_again(Code::registry_unavailable,
                        exchange_->url().authority() + " ended the " + request_.what + " early");
  if (bytes->size() > size_ - received_) {
    co_return give_up(Code::digest_mismatch, Origin::upstream,
                      exchange_->url().authority() + " sent more than the " + std::to_string(size_) + " bytes of the " +
                          request_.what);
  }
  co_return bytes;
}

// A registry that trickles for ever would keep its place for ever. Only the time spent waiting for it counts.
async::awaitable<Attempt<std::span<const std::byte>>> BlobDownload::read_at_pace(std::size_t bytes_max) {
  const auto began = std::chrono::steady_clock::now();
  auto bytes = co_await exchange_->read(bytes_max);
  if (!bytes) co_return bytes;
  waited_ += std::chrono::steady_clock::now() - began;
  waited_bytes_ += bytes->size();
  if (waited_ < stall_timeout_) co_return bytes;
  const auto seconds = std::chrono::duration<double>(std::exchange(waited_, {})).count();
  const auto rate = static_cast<double>(std::exchange(waited_bytes_, 0)) / seconds;
  if (rate < static_cast<double>(kRateMin))
    co_return try_again(Code::timeout, exchange_->url().authority() + " sends too slowly");
  co_return bytes;
}

async::awaitable<Attempt<void>> BlobDownload::request_rest() {
  FetchRequest request = request_;
  if (received_ > 0) request.header_lines.push_back("Range: bytes=" + std::to_string(received_) + "-");
  attempt_began_at_ = received_;
  waited_ = {};
  waited_bytes_ = 0;
  auto opened = co_await fetcher_.attempt(std::move(request));
  if (!opened) co_return std::unexpected(opened.error());
  exchange_ = std::move(*opened);
  const auto to_skip = check_head();
  if (!to_skip) co_return std::unexpected(to_skip.error());
  co_return co_await skip(*to_skip);
}

// How many bytes of the body we have already.
Attempt<std::uint64_t> BlobDownload::check_head() const {
  const auto& head = exchange_->head();
  const std::string where = exchange_->url().authority();
  const auto length_field = head.field("content-length");
  const auto length = parse_decimal(length_field);
  const auto contradicts = [&](std::string_view what) {
    return try_again(Code::registry_unavailable, where + " announced " + std::string(what) + " for the " +
                                                     request_.what + ", which has " + std::to_string(size_) + " bytes");
  };
  if (head.status == 200) {
    if (!length_field.empty() && length != size_)
      return contradicts("a length of " + std::string(length_field.substr(0, 32)) + " bytes");
    return received_;
  }
  const auto range = parse_content_range(head.field("content-range"));
  const bool is_right = received_ > 0 && range && range->first == received_ && range->last < size_ &&
                        range->total.value_or(size_) == size_ && (!length || *length == range->last - range->first + 1);
  if (!is_right) return contradicts("the range '" + std::string(head.field("content-range").substr(0, 64)) + "'");
  return 0;
}

async::awaitable<Attempt<void>> BlobDownload::skip(std::uint64_t bytes) {
  while (bytes > 0) {
    const auto skipped = co_await read_at_pace(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kBufferBytes)));
    if (!skipped) co_return std::unexpected(skipped.error());
    if (skipped->empty())
      co_return try_again(Code::registry_unavailable,
                          exchange_->url().authority() + " ended the " + request_.what + " early");
    bytes -= skipped->size();
  }
  co_return Attempt<void>{};
}

async::awaitable<Result<void>> BlobDownload::wait_for_retry(Failure failure) {
  exchange_.reset();
  if (received_ - attempt_began_at_ >= kProgressBytes) attempts_ = {};
  if (resumes_ == kResumesMax || !co_await fetcher_.pause_before_retry(failure, attempts_, request_.on_retry))
    co_return std::unexpected(failure.error);
  ++attempts_.count;
  ++resumes_;
  co_return Result<void>{};
}

Result<void> BlobDownload::verify() {
  const Digest found = hash_.finish();
  if (found != digest_) {
    return fail(Code::digest_mismatch, Origin::upstream,
                "the " + request_.what + " came with other bytes, of " + found.to_string());
  }
  is_verified_ = true;
  exchange_.reset();
  return {};
}

}  // namespace propeller::registry
