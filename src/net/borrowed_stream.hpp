#pragma once

#include "net/stream.hpp"

namespace propeller::net {

/// A Stream for those who want to own one, on top of one that somebody else owns; or to look at what passes.
///
/// Lifetime: `below` outlives it, and is used by nobody else meanwhile.
class BorrowedStream : public Stream {
 public:
  explicit BorrowedStream(Stream& below) : Stream(below.info(), below.origin()), below_(below) {}

  [[nodiscard]] async::awaitable<Result<void>> send_file(int file, std::uint64_t offset, std::uint64_t count) override {
    return below_.send_file(file, offset, count);
  }
  [[nodiscard]] async::awaitable<Result<void>> shutdown_write() override { return below_.shutdown_write(); }
  void close() override { below_.close(); }
  void reset() override { below_.reset(); }
  [[nodiscard]] const boost::asio::any_io_executor& executor() override { return below_.executor(); }
  void set_timeouts(Timeouts timeouts) override { below_.set_timeouts(timeouts); }
  void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) override {
    below_.set_read_deadline(deadline);
  }

 protected:
  Result<std::optional<std::size_t>> receive_now(std::span<char> room) override { return below_.try_read(room); }
  Result<std::size_t> send_now(std::span<const std::string_view> parts) override { return below_.try_write(parts); }

 private:
  async::awaitable<Result<void>> wait_readable() override { return below_.wait_input(); }
  async::awaitable<Result<void>> wait_writable() override { return below_.wait_output(); }
  bool has_arrived() override { return below_.has_input(); }

  Stream& below_;
};

}  // namespace propeller::net
